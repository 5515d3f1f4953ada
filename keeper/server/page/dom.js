// Elements, without a way to turn text into markup: whatever a feed is called, it is shown as it is.

/** A new element: `el("p", {class: "quiet"}, "text", other)`. */
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Writes only what has changed: a write costs a layout. */
export function text(node, value) {
  const wanted = String(value);
  if (node.firstChild?.nodeType === Node.TEXT_NODE && !node.firstChild.nextSibling) {
    if (node.firstChild.data !== wanted) node.firstChild.data = wanted;
  } else if (node.textContent !== wanted) {
    node.textContent = wanted;
  }
}

export function attribute(node, name, value) {
  if (value === null) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else if (node.getAttribute(name) !== String(value)) {
    node.setAttribute(name, value);
  }
}

/** A part of a whole, 0 to 1, for the stylesheet. */
export function part(node, value) {
  const wanted = Math.max(0, Math.min(1, value)).toFixed(3);
  if (node.style.getPropertyValue("--part") !== wanted) node.style.setProperty("--part", wanted);
}

/** Makes the children of `parent` those of `items`, by key, and draws each. */
export function keyed(parent, items, keyOf, make, draw) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let node = old.get(key);
    old.delete(key);
    if (!node) {
      node = make(item);
      node.dataset.key = key;
    }
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    draw(node, item);
  }
  for (const node of old.values()) node.remove();
}

/** A line through the numbers, as an SVG that fills its box; an empty one below two of them. */
export function sparkline() {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("class", "spark");
  svg.setAttribute("viewBox", "0 0 100 24");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.append(document.createElementNS(space, "polyline"));
  return svg;
}

export function drawSparkline(svg, numbers) {
  const least = Math.min(...numbers), most = Math.max(...numbers);
  const height = most - least;
  const points = numbers.map((number, at) => {
    const x = numbers.length < 2 ? 0 : (at * 100) / (numbers.length - 1);
    const y = height > 0 ? 22 - ((number - least) * 20) / height : 12;
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  attribute(svg.firstChild, "points", points.length < 2 ? "" : points.join(" "));
}
