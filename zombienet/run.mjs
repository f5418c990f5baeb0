#!/usr/bin/env node
// Runs adversary scenarios, each on a fresh network of real nodes, and says how each ended.
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Market } from "./lib/market.mjs";
import { Network } from "./lib/network.mjs";
import { scenarios } from "./scenarios/index.mjs";

const HELP = `Runs scenarios, each on a zombienet network of four real validators, and prints a
verdict table.

  make zombienet                          all of them
  make zombienet SCENARIO=cheat           one
  node zombienet/run.mjs [OPTION…]        the same, once everything is built

  --only NAME     only this scenario; repeat for more
  --list          what there is
  --json          the verdicts as JSON; progress goes to standard error
  --keep          keep databases and logs of all scenarios, not only logs of failed ones
  --help          this

ASSAY_KEEPER names the built network-keeper, ASSAY_BIN the folder of the other binaries (both set
by make).
Exit codes: 0 all as expected, 1 one differs, 2 wrong usage.`;

/** Most time of a scenario over its usual one, for slower machines. */
const PATIENCE = 4;

function options() {
	try {
		const { values } = parseArgs({
			options: {
				only: { type: "string", multiple: true, default: [] },
				...Object.fromEntries(
					["list", "json", "keep", "help"].map((name) => [
						name,
						{ type: "boolean", default: false },
					]),
				),
			},
		});
		const names = scenarios.map(({ name }) => name);
		// `make` passes one string.
		values.only = values.only.flatMap((text) => text.split(/[ ,]+/)).filter(Boolean);
		const unknown = values.only.filter((name) => !names.includes(name));
		if (unknown.length > 0)
			throw new Error(
				`no scenario is called ${unknown.join(", ")}; there are ${names.join(", ")}`,
			);
		return values;
	} catch (error) {
		console.error(`zombienet: ${error.message}`);
		process.exit(2);
	}
}

/** Rows with equally wide columns. */
function table(rows) {
	const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
	return rows
		.map((row) =>
			row
				.map((cell, column) => cell.padEnd(widths[column]))
				.join("  ")
				.trimEnd(),
		)
		.join("\n");
}

/** All `*.log` files below a folder. */
const logs = (dir) =>
	existsSync(dir)
		? readdirSync(dir, { recursive: true })
				.map((path) => join(dir, path))
				.filter((path) => path.endsWith(".log"))
		: [];

const given = options();
if (given.help) {
	console.log(HELP);
	process.exit(0);
}
const chosen = scenarios.filter(({ name }) => given.only.length === 0 || given.only.includes(name));
if (given.list) {
	const rows = chosen.map(({ name, expected, seconds }) => [name, `${seconds} s`, expected]);
	console.log(
		given.json
			? JSON.stringify(
					chosen.map(({ name, expected, seconds }) => ({ name, expected, seconds })),
					null,
					2,
				)
			: table([["scenario", "takes", "expected"], ...rows]),
	);
	process.exit(0);
}

const began = Date.now();
const progress = given.json ? console.error : console.log;
const root = mkdtempSync(join(tmpdir(), "assay-zombienet-"));
// Whatever ends this program; processes end with it by tests/js/lib/processes.mjs.
const keep = given.keep;
process.on(
	"exit",
	() => keep || rmSync(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 }),
);

/** Runs one scenario on a network of its own; its verdict. */
async function run(scenario) {
	const start = Date.now();
	const dir = join(root, scenario.name);
	mkdirSync(dir);
	const say = (text) =>
		progress(
			`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ` +
				`${scenario.name.padEnd(10)} ${text}`,
		);
	const verdict = {
		scenario: scenario.name,
		expected: scenario.expected,
		happened: "",
		blocks: 0,
		seconds: 0,
		passed: false,
	};
	let network, market;
	const limit = new AbortController();
	const story = async () => {
		say(`spawns ${scenario.network}.toml`);
		const env = (await scenario.workers?.(dir)) ?? {};
		network = await Network.spawn(scenario.network, {
			dir,
			env,
			started: (one) => (network = one),
		});
		const nodes = network.nodes.map(({ name, pid }) => `${name} (pid ${pid})`);
		say(`network is up: ${nodes.join(", ")}`);
		market = new Market(network, { dir, say, seen: network[scenario.seen ?? "alice"] });
		return scenario.run({ market, network, say, dir });
	};
	const tooLong = sleep(PATIENCE * scenario.seconds * 1000, null, { signal: limit.signal }).then(
		() => {
			throw new Error(`took more than ${PATIENCE * scenario.seconds} s`);
		},
	);
	try {
		Object.assign(verdict, await Promise.race([story(), tooLong]), { passed: true });
	} catch (error) {
		verdict.happened = error.message.split("\n")[0];
		say(`failed: ${error.stack}`);
	} finally {
		limit.abort();
		tooLong.catch(() => {});
		await market?.stop().catch(() => {});
		await network?.destroy().catch(() => {});
	}
	verdict.seconds = Math.round((Date.now() - start) / 1000);
	if (!verdict.passed) {
		verdict.logs = mkdtempSync(join(tmpdir(), `assay-zombienet-${scenario.name}-logs-`));
		for (const log of logs(dir)) copyFileSync(log, join(verdict.logs, basename(log)));
		say(`the logs are kept in ${verdict.logs}`);
	}
	if (!given.keep) rmSync(dir, { recursive: true, force: true });
	say(`${verdict.passed ? "as expected" : "NOT as expected"}: ${verdict.happened}`);
	return verdict;
}

const verdicts = [];
for (const scenario of chosen) verdicts.push(await run(scenario));

const failed = verdicts.filter(({ passed }) => !passed);
if (given.json) {
	console.log(JSON.stringify({ verdicts, passed: failed.length === 0 }, null, 2));
} else {
	const rows = verdicts.map(({ scenario, expected, happened, blocks, seconds, passed }) => [
		scenario,
		expected,
		happened,
		`${blocks}`,
		`${seconds}`,
		passed ? "pass" : "FAIL",
	]);
	const head = ["scenario", "expected", "what happened", "blocks", "seconds", "verdict"];
	console.log(`\n${table([head, ...rows])}`);
	for (const { scenario, logs } of failed) console.log(`logs of ${scenario}: ${logs}`);
	console.log(
		`${verdicts.length - failed.length} of ${verdicts.length} as expected, ` +
			`${Math.round((Date.now() - began) / 1000)} s`,
	);
}
if (given.keep) progress(`everything is kept in ${root}`);
process.exit(failed.length === 0 ? 0 : 1);
