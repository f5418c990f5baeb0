// The market on a network: requesters by Polkadot.js, providers and watchers as processes, and what
// the chain says.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { account, event, send, UNIT } from "../../tests/js/lib/chain.mjs";
import { programHex, programId, uploadInputs } from "../../tests/js/lib/digits.mjs";
import { binary, Process, repository } from "../../tests/js/lib/processes.mjs";
import * as books from "./books.mjs";

/** Phases in the order in which a job passes through. */
export const PHASES = [
	"Posted",
	"Open",
	"Claimed",
	"Committed",
	"Verifying",
	"Revealing",
	"Challengeable",
	"Settled",
];
const order = (phase) => (phase === "Failed" ? PHASES.length : PHASES.indexOf(phase));

/** The validators' accounts by the names of their nodes. */
export const VALIDATORS = Object.fromEntries(
	["Alice", "Bob", "Charlie", "Dave"].map((name) => [
		name.toLowerCase(),
		account(`//${name}`).address,
	]),
);
export const nameOf = (address) =>
	Object.keys(VALIDATORS).find((name) => VALIDATORS[name] === `${address}`) ?? `${address}`;

/** Whoever is neither validator nor provider; has nothing until it is funded. */
export const requester = account("//Requester");
export const watcher = account("//Watcher");

/** A result of digits that a committee verifies for sure. */
const AUDITED = { audit: { Custom: 1_000_000 }, attestation: "Required" };

export class Market {
	/** `seen` is the node that is asked about the chain; it should stay up. */
	constructor(network, { dir, say, seen = network.alice }) {
		Object.assign(this, { network, dir, say, seen, processes: [] });
	}

	/**
	 * Funds requester and watcher, registers the program, makes providers of `providers` (names
	 * with the node that each talks to) and uploads the inputs to the nodes `holders`; then opens
	 * the books.
	 */
	async open({ providers = {}, holders = this.network.nodes }) {
		const api = await this.seen.api();
		const gifts = [requester, watcher].map(({ address }) =>
			api.tx.balances.transferKeepAlive(address, 100_000n * UNIT),
		);
		await send(api, account("//Alice"), api.tx.utility.batchAll(gifts));
		await send(api, requester, api.tx.programs.registerProgram(programHex));
		await Promise.all(
			Object.entries(providers).map(async ([who, node]) => {
				await this.assay(
					who,
					node,
					"identity",
					"register",
					"--role",
					"provider",
					"--adapter",
					"cpu",
				);
				await this.assay(who, node, "stake", "bond", "100000");
			}),
		);
		for (const node of holders) this.roots = await uploadInputs(await node.api());
		this.from = await this.height();
		this.say(
			`market is open at block ${this.from}: ` +
				`providers ${Object.keys(providers).join(", ") || "none yet"}`,
		);
	}

	common(who, node) {
		return ["--url", node.url, "--key", `//${who}`, "--state-dir", join(this.dir, who)];
	}

	/** One command of the command line; its last JSON document. */
	async assay(who, node, ...args) {
		const options = { timeout: 120_000, cwd: repository };
		const { stdout } = await promisify(execFile)(
			binary("assay"),
			[...this.common(who, node), "--json", ...args],
			options,
		);
		return JSON.parse(stdout.trim().split("\n").at(-1));
	}

	/** Starts a process that lives until the scenario ends. */
	start(name, file, args) {
		const one = new Process(name, binary(file), args, { log: join(this.dir, `${name}.log`) });
		this.processes.push(one);
		return one;
	}

	/** `assay provider run`. */
	provide(who, node, ...args) {
		return this.start(`provider-${who}`, "assay", [
			...this.common(who, node),
			"provider",
			"run",
			"--adapter",
			"cpu",
			...args,
		]);
	}

	/** A provider that computes one job wrong and stands by it; `args` say where it lies. */
	lie(who, node, ...args) {
		return this.start(`malus-${who}`, "malus-provider", [
			"--url",
			node.url,
			"--key",
			`//${who}`,
			...args,
		]);
	}

	/** `assay watch`. */
	watch(node, ...args) {
		return this.start("watch", "assay", [
			...this.common("Watcher", node),
			"--json",
			"watch",
			"--adapter",
			"cpu",
			...args,
		]);
	}

	/** The requester posts jobs of the digits program in one transaction; their numbers. */
	async post(count = 1, { roots = this.roots } = {}) {
		const api = await this.seen.api();
		const job = () =>
			api.tx.jobs.postJob(programId, roots, 1, 5n * UNIT, 10n * UNIT, 10, AUDITED);
		const events = await send(
			api,
			requester,
			api.tx.utility.batchAll(Array.from({ length: count }, job)),
		);
		assert.ok(event(events, "utility", "BatchCompleted"), "all were posted");
		const posted = events.filter((e) => e.section === "jobs" && e.method === "JobPosted");
		const ids = posted.map(({ data }) => data.job.toNumber());
		this.say(`job ${ids.join(", ")} posted through Polkadot.js`);
		return ids;
	}

	async height() {
		return (await (await this.seen.api()).rpc.chain.getHeader()).number.toNumber();
	}

	/** Everything the chain says about a job. */
	async view(job) {
		return (await (await this.seen.api()).call.marketApi.job(job)).unwrap();
	}

	/** Verdicts of a job by the validators' names: `{ bob: { status, matches } }`. */
	async verdicts(job) {
		const all = (await this.view(job)).verdicts.filter(({ purpose }) => purpose.isVerify);
		return Object.fromEntries(
			all.map(({ account, status, matches }) => [
				nameOf(account),
				{
					status: status.type,
					reason: status.isAbstained ? `${status.asAbstained}` : null,
					matches: matches.isSome && matches.unwrap().isTrue,
				},
			]),
		);
	}

	/** Waits until a job is in a phase or beyond; the phase it is in then. */
	async phase(job, wanted, seconds) {
		const until = Date.now() + 1000 * seconds;
		for (let last; ; await sleep(300)) {
			this.network.keeper.check();
			const phase = `${(await this.view(job)).phase}`;
			if (phase !== last) this.say(`job ${job} is ${(last = phase)}`);
			if (order(phase) >= order(wanted)) return phase;
			assert.ok(
				Date.now() < until,
				`job ${job} is ${phase}, not ${wanted}, after ${seconds} s`,
			);
		}
	}

	/** Waits for the ends of jobs and compares the chain's reason; their last views. */
	async ended(jobs, reason, seconds) {
		const until = Date.now() + 1000 * seconds;
		const views = [];
		for (const job of jobs) {
			await this.phase(job, "Settled", Math.max(1, (until - Date.now()) / 1000));
			const view = await this.view(job);
			assert.equal(
				`${view.reason.unwrapOr("none")}`,
				reason,
				`the reason for which job ${job} ended`,
			);
			this.say(`job ${job} ended: ${reason}`);
			views.push(view);
		}
		return views;
	}

	/**
	 * Blocks since the market was opened, up to the best one of now, once that is final everywhere.
	 */
	async blocks(seconds = 60, nodes = this.network.nodes) {
		const to = await this.height();
		await this.network.finalized(to, seconds, nodes);
		return books.blocks(await this.seen.api(), this.from, to);
	}

	/** Closes the books over `blocks`, or over all until now. */
	async books(blocks) {
		const all = blocks ?? (await this.blocks());
		const { ends, burned } = await books.close(await this.seen.api(), all);
		this.say(
			`books of all accounts are right over ${all.length} blocks: ${burned} units burned`,
		);
		return { blocks: all, ends };
	}

	async stop() {
		await Promise.all(this.processes.map((one) => one.stop()));
	}
}
