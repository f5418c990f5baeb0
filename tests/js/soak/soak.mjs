// A bounded load test: as many jobs as one chain takes for some minutes, and what became of them.
// `make soak MINUTES=10`.
//
// One `assay-node --dev` with its real worker verifies; the first job is run by a real
// `assay provider run`. All others are the same job, so this file claims, commits and reveals them
// with that run's root and opening: what is measured is the chain and its verifier, not the daemon
// of a provider.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { account, connect, event, send, UNIT } from "../lib/chain.mjs";
import { programHex, programId, uploadInputs } from "../lib/digits.mjs";
import { binary, freePort, Process } from "../lib/processes.mjs";
import { Books } from "./books.mjs";
import { Fleet } from "./fleet.mjs";
import { memory } from "./memory.mjs";
import { markdown, summary } from "./report.mjs";

const given = () => {
	try {
		return parseArgs({
			options: {
				minutes: { type: "string", default: "10" },
				inflight: { type: "string", default: "512" },
				providers: { type: "string", default: "8" },
				audit: { type: "string", default: "20" },
				adapter: { type: "string", default: "cpu" },
				json: { type: "string" },
				help: { type: "boolean", short: "h" },
			},
		}).values;
	} catch (error) {
		console.error(`soak: ${error.message}; see --help`);
		process.exit(2);
	}
};
const options = given();
if (options.help) {
	console.log(`Usage: make soak MINUTES=10 [SOAK="--inflight 512 …"]
  --minutes N    how long jobs are posted, 1 to 120 (10); then what is under way may end
  --inflight N   most jobs under way at a time (512)
  --providers N  accounts that claim, 1 to 64; each backs at most 64 jobs at a time (8)
  --audit N      audit probability in percent, 5 to 100 (20)
  --adapter A    device of the worker: cpu, auto, or a part of an adapter's name (cpu)
  --json FILE    every figure and the samples of every block`);
	process.exit(0);
}
const number = (name, least, most) => {
	const value = Number(options[name]);
	if (Number.isFinite(value) && value >= least && value <= most) return value;
	console.error(
		`soak: --${name} ${options[name]} is not between ${least} and ${most}; see --help`,
	);
	process.exit(2);
};
const minutes = number("minutes", 1, 120);
const inflight = number("inflight", 1, 4096);
const providers = number("providers", 1, 64);
const audit = number("audit", 5, 100) * 10_000;

/**
 * From so many blocks on that this script is late nothing is posted: it would miss its providers'
 * deadlines.
 */
const BEHIND = 3;
/** How long jobs under way may take to end after the last post. */
const DRAIN_SECONDS = 600;
const began = Date.now();
const say = (text) =>
	console.log(`${((Date.now() - began) / 1000).toFixed(0).padStart(5)} s  ${text}`);

const dir = mkdtempSync(join(tmpdir(), "assay-soak-"));
const [rpc, p2p] = [await freePort(), await freePort()];
const url = `ws://127.0.0.1:${rpc}`;
let node, api, provider;
let passed = false;
try {
	node = new Process(
		"node",
		binary("assay-node"),
		[
			"--dev",
			"--base-path",
			join(dir, "node"),
			"--rpc-port",
			`${rpc}`,
			"--no-prometheus",
			"--no-mdns",
			"--listen-addr",
			`/ip4/127.0.0.1/tcp/${p2p}`,
			"--worker-adapter",
			options.adapter,
			"--pool-limit",
			"32768",
			"--rpc-max-subscriptions-per-connection",
			"8192",
		],
		{ log: join(dir, "node.log") },
	);
	await node.line(new RegExp(`Running JSON-RPC server.*:${rpc}\\b`), 120);
	api = await connect(url);
	say(`node runs (pid ${node.child.pid}), logs in ${dir}`);

	const requester = account("//Dave");
	const roots = await uploadInputs(api);
	await send(api, requester, api.tx.programs.registerProgram(programHex));
	const job = (who) =>
		api.tx.jobs.postJob(programId, roots, 1, UNIT, 2n * UNIT, 10, {
			audit: { Custom: who === "first" ? 1_000_000 : audit },
			attestation: "Required",
		});

	// The real run.
	const assay = [
		binary("assay"),
		["--url", url, "--key", "//Charlie", "--state-dir", join(dir, "charlie")],
	];
	const run = async (name, ...args) => {
		const one = new Process(name, assay[0], [...assay[1], ...args], {
			log: join(dir, "provider.log"),
		});
		assert.equal(await one.exited, "exit 0", `${name}:\n${one.lines.slice(-15).join("\n")}`);
	};
	await run("register", "identity", "register", "--role", "provider", "--adapter", "cpu");
	await run("bond", "stake", "bond", "100000");
	const first = event(
		await send(api, requester, job("first")),
		"jobs",
		"JobPosted",
	).data.job.toNumber();
	say("the first job is run by `assay provider run`");
	provider = new Process(
		"provider",
		assay[0],
		[...assay[1], "provider", "run", "--adapter", "cpu", "--once"],
		{ log: join(dir, "provider.log") },
	);
	assert.equal(
		await Promise.race([
			provider.exited,
			sleep(300_000, "no end within 300 s", { ref: false }),
		]),
		"exit 0",
		provider.lines.slice(-15).join("\n"),
	);
	const fleet = new Fleet(api, { job, first, providers, inflight, say });
	await fleet.prepare(dir, { assay, binary });
	const books = new Books(api);
	await books.open();

	say(`posting for ${minutes} min, at most ${inflight} jobs under way`);
	const until = Date.now() + 60_000 * minutes;
	const limit = until + 1000 * DRAIN_SECONDS;
	const samples = [];
	let said = 0;
	for (let posting = true; posting || fleet.underWay() > 0;) {
		node.check();
		if (Date.now() > limit)
			throw new Error(
				`${fleet.underWay()} jobs have not ended ${DRAIN_SECONDS} s after the last post`,
			);
		if (posting && Date.now() > until) {
			posting = false;
			say("no more posts; waiting for the jobs under way");
		}
		const block = await books.next();
		const late = block.behind >= BEHIND;
		const sample = {
			...block.figures,
			seconds: (Date.now() - began) / 1000,
			...memory(node.child.pid),
			posting,
			late,
		};
		sample.underWay = fleet.underWay();
		samples.push(sample);
		await fleet.follow(block, posting && !late);
		if (Date.now() - said > 15_000) {
			said = Date.now();
			say(
				`block ${block.number}: ${fleet.ended.length} ended, ` +
					`${sample.underWay} under way, ` +
					`${(100 * sample.fullness).toFixed(0)} % full, ` +
					`node ${sample.node} MiB, worker ${sample.worker} MiB`,
			);
		}
	}
	const closed = await books.close(fleet);
	const result = summary({ samples, fleet, closed, minutes, audit, inflight, providers });
	console.log(`\n${markdown(result)}`);
	if (options.json) {
		mkdirSync(join(options.json, ".."), { recursive: true });
		writeFileSync(options.json, JSON.stringify({ ...result, samples }, null, "\t"));
	}
	assert.ok(result.paid > 0, "at least one job was paid");
	assert.equal(
		result.unexpected.length,
		0,
		`jobs ended otherwise: ${JSON.stringify(result.unexpected)}`,
	);
	passed = true;
} finally {
	await provider?.stop();
	await api?.disconnect();
	await node?.stop();
	if (passed) rmSync(dir, { recursive: true, force: true });
	else say(`failed; the logs are in ${dir}`);
}
