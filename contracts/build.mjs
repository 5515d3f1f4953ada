// Compiles DevnetPyth.sol into the artifact that the keeper ships; --check only tells whether it is up to date.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");

const SOURCE = "DevnetPyth.sol";
const ARTIFACT = fileURLToPath(new URL("../keeper/lab/DevnetPyth.json", import.meta.url));
const SETTINGS = {
  // The oldest target without traps for today's code: no PUSH0, so the contract deploys on every EVM chain.
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  // The bytecode depends on the code alone, not on paths or comments.
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

function compile(source) {
  const input = {
    language: "Solidity",
    sources: { [SOURCE]: { content: source } },
    settings: { ...SETTINGS, outputSelection: { [SOURCE]: { DevnetPyth: ["abi", "evm.bytecode.object"] } } },
  };
  const findImport = (path) => ({ contents: read(`node_modules/${path}`) });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  if (output.errors?.length) {
    throw new Error(output.errors.map((error) => error.formattedMessage).join("\n"));
  }
  return output.contracts[SOURCE].DevnetPyth;
}

const source = read(SOURCE);
const { abi, evm } = compile(source);
const artifact = {
  abi,
  bytecode: `0x${evm.bytecode.object}`,
  compiler: solc.version(),
  settings: SETTINGS,
  sourceHash: `sha256:${createHash("sha256").update(source).digest("hex")}`,
};
const text = `${JSON.stringify(artifact, null, 1)}\n`;

if (process.argv.includes("--check")) {
  if (text !== readFileSync(ARTIFACT, "utf8")) {
    console.error(`${ARTIFACT} was not built from contracts/${SOURCE}: run "make contracts" and commit the result`);
    process.exit(1);
  }
} else {
  writeFileSync(ARTIFACT, text);
}
