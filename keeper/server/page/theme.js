// Light, dark, or as the system has it; remembered where the browser allows that.

const ORDER = ["automatic", "light", "dark"];

export function startTheme(button) {
  let chosen = remembered();
  const show = () => {
    if (chosen === "automatic") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = chosen;
    button.textContent = `Theme: ${chosen}`;
  };
  button.addEventListener("click", () => {
    chosen = ORDER[(ORDER.indexOf(chosen) + 1) % ORDER.length];
    try {
      localStorage.setItem("theme", chosen);
    } catch {
      // Private windows remember nothing.
    }
    show();
  });
  show();
}

function remembered() {
  try {
    const name = localStorage.getItem("theme");
    return ORDER.includes(name) ? name : "automatic";
  } catch {
    return "automatic";
  }
}
