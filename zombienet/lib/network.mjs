// A network of real nodes, spawned by zombienet's SDK in `network-keeper` and driven from here.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "../../tests/js/lib/chain.mjs";
import { binary, Process, repository } from "../../tests/js/lib/processes.mjs";

/**
 * Seconds until every node of a fresh network answers; four of them compile the runtime on two
 * cores.
 */
const UP = 150;
/** Seconds that a node has for a command of the keeper. */
const COMMAND = 70;

export class Node {
	constructor(network, facts) {
		Object.assign(this, facts, { network });
	}

	/**
	 * This node's Polkadot.js connection; made when it is first needed, and again after a restart.
	 */
	async api() {
		return (this.connection ??= await connect(this.url));
	}

	async disconnect() {
		const connection = this.connection;
		this.connection = undefined;
		await connection?.disconnect();
	}

	async pause() {
		await this.network.command("pause", this);
	}

	async resume() {
		await this.network.command("resume", this);
	}

	/** SIGKILL, and the node again on its database; resolves when it answers. */
	async restart() {
		await this.disconnect();
		await this.network.command("restart", this);
		const until = Date.now() + 1000 * COMMAND;
		while (!(await this.metric("block_height", { status: "best" }).catch(() => null))) {
			assert.ok(
				Date.now() < until,
				`${this.name} does not answer ${COMMAND} s after its restart`,
			);
			await sleep(250);
		}
	}

	/** A Prometheus metric; null where there is none. */
	async metric(name, labels = {}) {
		const response = await fetch(this.metrics, { signal: AbortSignal.timeout(5_000) });
		for (const line of (await response.text()).split("\n")) {
			const [, found, tags = "", value] =
				/^(?:substrate_)?([a-z_]+)(?:\{(.*)\})? ([-+.\deE]+)$/.exec(line) ?? [];
			if (
				found === name &&
				Object.entries(labels).every(([key, wanted]) => tags.includes(`${key}="${wanted}"`))
			) {
				return Number(value);
			}
		}
		return null;
	}

	best() {
		return this.metric("block_height", { status: "best" });
	}

	finalized() {
		return this.metric("block_height", { status: "finalized" });
	}

	/** Whether the log has a line that matches. */
	logged(pattern) {
		return pattern.test(readFileSync(this.log, "utf8"));
	}
}

export class Network {
	/**
	 * Spawns `zombienet/networks/NAME.toml` in `dir`, and waits for its nodes. `env` fills the
	 * topology's `{{…}}`. `started` gets the network as soon as there is something to take down.
	 */
	static async spawn(name, { dir, env = {}, started = () => {} }) {
		const network = new Network();
		const topology = join(repository, "zombienet/networks", `${name}.toml`);
		assert.ok(existsSync(topology), `${topology} is missing`);
		const keeper = process.env.ASSAY_KEEPER;
		assert.ok(
			keeper && existsSync(keeper),
			"ASSAY_KEEPER does not name network-keeper: run `make zombienet`",
		);
		// `assay-node` goes by its name in the topologies, as in everybody's.
		const path = `${join(binary("assay-node"), "..")}:${process.env.PATH}`;
		network.keeper = new Process(
			"network-keeper",
			keeper,
			[topology, "--dir", join(dir, "network")],
			{
				log: join(dir, "keeper.log"),
				env: { ...env, PATH: path },
				stdin: "pipe",
				detached: true,
			},
		);
		// It may be gone when it is told something; that shows in its end.
		network.keeper.child.stdin.on("error", () => {});
		network.commands = 0;
		started(network);
		const { nodes } = await network.event((event) => event.event === "up", UP);
		network.nodes = nodes.map((facts) => new Node(network, facts));
		for (const node of network.nodes) network[node.name] = node;
		return network;
	}

	/** The first thing that the keeper says and `match` accepts. */
	async event(match, seconds) {
		const until = Date.now() + 1000 * seconds;
		for (let next = 0; ; await sleep(20)) {
			for (; next < this.keeper.lines.length; next++) {
				const line = this.keeper.lines[next];
				if (!line.startsWith("{")) continue;
				const event = JSON.parse(line);
				if (event.event === "failed") throw new Error(`the network failed: ${event.error}`);
				if (match(event)) return event;
			}
			this.keeper.check();
			if (Date.now() > until)
				throw new Error(`network-keeper said nothing of that within ${seconds} s`);
		}
	}

	async command(what, node) {
		const id = ++this.commands;
		this.keeper.child.stdin.write(`${JSON.stringify({ id, do: what, node: node.name })}\n`);
		const answer = await this.event((event) => event.id === id, COMMAND);
		if (answer.event === "refused") throw new Error(`${what} ${node.name}: ${answer.error}`);
		node.pid = answer.node.pid;
	}

	/** Waits until every one of `nodes` has finalized block `height`. */
	async finalized(height, seconds, nodes = this.nodes) {
		const until = Date.now() + 1000 * seconds;
		for (;;) {
			const heights = await Promise.all(
				nodes.map((node) => node.finalized().catch(() => null)),
			);
			if (heights.every((one) => one !== null && one >= height)) return heights;
			this.keeper.check();
			const seen = nodes.map(({ name }, i) => `${name} ${heights[i]}`).join(", ");
			assert.ok(
				Date.now() < until,
				`block ${height} is not finalized everywhere after ${seconds} s: ${seen}`,
			);
			await sleep(500);
		}
	}

	/** Takes everything down: by the end of the keeper's input, and by force after ten seconds. */
	async destroy() {
		await Promise.all((this.nodes ?? []).map((node) => node.disconnect().catch(() => {})));
		this.keeper.child.stdin.end();
		await Promise.race([this.keeper.exited, sleep(10_000, null, { ref: false })]);
		// Its process group, which its nodes are in.
		this.keeper.killNow();
	}
}
