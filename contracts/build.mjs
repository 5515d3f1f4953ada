// Compiles the contract into the artifact that the keeper ships; --check only tells whether it is up to date.
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";

const solc = createRequire(import.meta.url)("solc");

const CONTRACT = "DevnetPyth";
const ARTIFACT = fileURLToPath(new URL("../keeper/lab/DevnetPyth.json", import.meta.url));
const SETTINGS = {
  // No PUSH0 and nothing newer, so that the contract deploys on every EVM chain.
  evmVersion: "paris",
  optimizer: { enabled: true, runs: 1_000_000 },
  viaIR: true,
  // The bytecode depends on the code alone, not on paths or comments.
  metadata: { bytecodeHash: "none", appendCBOR: false },
};

const read = (path) => readFileSync(new URL(path, import.meta.url), "utf8");

const sources = readdirSync(new URL(".", import.meta.url))
  .filter((name) => name.endsWith(".sol"))
  .sort()
  .map((name) => [name, read(name)]);

function compile() {
  const input = {
    language: "Solidity",
    sources: Object.fromEntries(sources.map(([name, content]) => [name, { content }])),
    settings: { ...SETTINGS, outputSelection: { "*": { [CONTRACT]: ["abi", "evm.bytecode.object"] } } },
  };
  const findImport = (path) => ({ contents: read(`node_modules/${path}`) });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: findImport }));
  if (output.errors?.length) {
    throw new Error(output.errors.map((error) => error.formattedMessage).join("\n"));
  }
  return output.contracts[`${CONTRACT}.sol`][CONTRACT];
}

const sourceHash = createHash("sha256");
sources.forEach(([, content]) => sourceHash.update(content));
const { abi, evm } = compile();
const artifact = {
  abi,
  bytecode: `0x${evm.bytecode.object}`,
  compiler: solc.version(),
  settings: SETTINGS,
  sourceHash: `sha256:${sourceHash.digest("hex")}`,
};
const text = `${JSON.stringify(artifact, null, 2)}\n`;

if (process.argv.includes("--check")) {
  if (text !== readFileSync(ARTIFACT, "utf8")) {
    console.error(`${ARTIFACT} was not built from the present contracts: run "make contracts" and commit the result`);
    process.exit(1);
  }
} else {
  writeFileSync(ARTIFACT, text);
}
