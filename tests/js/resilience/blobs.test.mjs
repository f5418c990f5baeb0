// Blobs between three real nodes: two validators and one that only follows. Nobody uploads anything
// twice.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { connect } from "../lib/chain.mjs";
import { binary, freePort, Process, repository } from "../lib/processes.mjs";

const MIB = Number(process.env.ASSAY_BLOB_MIB ?? 64);
const digits = join(repository, "examples/digits");
const dir = mkdtempSync(join(tmpdir(), "assay-blobs-"));
const nodes = {};
let passed = 0;

class Node {
	constructor(name, args) {
		Object.assign(this, { name, args, base: join(dir, name) });
	}

	async start() {
		this.ports ??= [await freePort(), await freePort()];
		const [rpc, p2p] = this.ports;
		const args = [
			"--chain",
			"local",
			"--base-path",
			this.base,
			"--rpc-port",
			`${rpc}`,
			"--no-prometheus",
			"--no-mdns",
			"--listen-addr",
			`/ip4/127.0.0.1/tcp/${p2p}`,
			"--no-telemetry",
			"--unsafe-force-node-key-generation",
			"--worker-adapter",
			"cpu",
			...this.args,
		];
		this.url = `ws://127.0.0.1:${rpc}`;
		this.process = new Process(this.name, binary("assay-node"), args, {
			log: join(dir, `${this.name}.log`),
		});
		await this.process.line(new RegExp(`Running JSON-RPC server.*:${rpc}\\b`), 120);
		return this;
	}

	async rpc(method, ...params) {
		const {
			ports: [port],
		} = this;
		const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
		const headers = { "content-type": "application/json" };
		const { result, error } = await (
			await fetch(`http://127.0.0.1:${port}`, { method: "POST", headers, body })
		).json();
		if (error) throw Object.assign(new Error(error.message), error);
		return result;
	}

	async assay(who, ...args) {
		const all = [
			"--url",
			this.url,
			"--key",
			`//${who}`,
			"--state-dir",
			join(dir, who),
			"--json",
			...args,
		];
		const { stdout } = await promisify(execFile)(binary("assay"), all, {
			timeout: 200_000,
			cwd: repository,
		});
		return JSON.parse(stdout.trim().split("\n").at(-1));
	}

	async until(what, seconds, condition) {
		const until = Date.now() + 1000 * seconds;
		for (;;) {
			this.process.check();
			const value = await condition();
			if (value) return value;
			assert.ok(Date.now() < until, `${this.name}: ${what} within ${seconds} s`);
			await sleep(50);
		}
	}
}

const sha = (file) => createHash("sha256").update(readFileSync(file)).digest("hex");

before(
	async () => {
		nodes.alice = await new Node("alice", ["--alice"]).start();
		const id = await nodes.alice.rpc("system_localPeerId");
		const boot = ["--bootnodes", `/ip4/127.0.0.1/tcp/${nodes.alice.ports[1]}/p2p/${id}`];
		nodes.bob = await new Node("bob", ["--bob", ...boot]).start();
		// Slow enough to be killed half way.
		nodes.carol = await new Node("carol", [...boot, "--blob-fetch-parallel", "1"]).start();
		for (const node of Object.values(nodes)) {
			await node.until(
				"two peers",
				60,
				async () => (await node.rpc("system_health")).peers >= 1,
			);
		}
	},
	{ timeout: 200_000 },
);

after(async () => {
	await Promise.all(Object.values(nodes).map(({ process }) => process.stop()));
	if (passed === 2) return rmSync(dir, { recursive: true, force: true });
	console.log(`the logs are in ${dir}`);
	for (const { name, process } of Object.values(nodes))
		process.lines.slice(-15).forEach((line) => console.log(`${name}: ${line}`));
});

test(
	`${MIB} MiB should come from a peer, also when the node is killed half way`,
	{ timeout: 300_000 },
	async () => {
		const { alice } = nodes;
		let { carol } = nodes;
		const file = join(dir, "blob");
		writeFileSync(file, randomBytes(MIB * 2 ** 20 + 4711));
		const len = statSync(file).size;
		const {
			blobs: [{ root }],
		} = await alice.assay("Dave", "blob", "put", file);
		await assert.rejects(carol.rpc("blob_get", root, 0, 1), /blob_fetch/);

		let began = Date.now();
		await carol.rpc("blob_fetch", root, len);
		const status = await carol.until("a part of the blob", 60, async () => {
			const status = await carol.rpc("blob_status", root);
			return (status.present || status.received > len / 8) && status;
		});
		await carol.process.kill();
		const half = status.received;
		carol = await carol.start();
		const kept = await carol.rpc("blob_status", root);
		console.log(
			`killed at ${half} of ${len} bytes, ${kept.received} of them were there afterwards`,
		);
		if (!status.present)
			assert.ok(kept.received >= half && !kept.present, JSON.stringify(kept));

		began = Date.now();
		const copy = join(dir, "copy");
		await carol.assay("Dave", "blob", "get", root, "--bytes", `${len}`, "--output", copy);
		const seconds = (Date.now() - began) / 1000;
		console.log(
			`the rest and a download: ${((len - kept.received) / 1e6 / seconds).toFixed(1)} MB/s`,
		);
		assert.equal(sha(copy), sha(file), "byte for byte");
		// Another length than it has: said so, and nobody is to blame.
		const wrong = await carol.rpc("blob_fetch", `0x${"7".repeat(64)}`, 5);
		assert.equal(wrong.present, false);
		passed++;
	},
);

test(
	"inputs should reach validators and the provider by themselves when one node has them",
	{ timeout: 400_000 },
	async () => {
		const { alice, bob, carol } = nodes;
		await carol.assay(
			"Charlie",
			"identity",
			"register",
			"--role",
			"provider",
			"--adapter",
			"cpu",
		);
		await carol.assay("Charlie", "stake", "bond", "100000");
		// Only Alice's node is given the inputs.
		const { job } = await alice.assay(
			"Dave",
			"job",
			"post",
			"--program",
			`${digits}/digits.program`,
			"--input",
			`images=${digits}/digits.safetensors`,
			"--weights",
			`${digits}/weights.safetensors`,
			"--price-start",
			"5",
			"--price-max",
			"10",
			"--ramp",
			"10",
			"--audit",
			"100",
		);
		const api = await connect(alice.url);
		const view = async () => (await api.call.marketApi.job(job)).unwrap();
		const roots = (await view()).inputRoots.map((root) => root.toHex());
		const holds = async (node) =>
			(await Promise.all(roots.map((root) => node.rpc("blob_status", root)))).every(
				({ present }) => present,
			);
		assert.ok(await holds(alice));
		await bob.until("the inputs, as an attester", 90, () => holds(bob));
		console.log(`job ${job}: Bob's node has ${roots.length} inputs`);
		await alice.until("the job to be open", 90, async () => !(await view()).phase.eq("Posted"));

		const args = [
			"--url",
			carol.url,
			"--key",
			"//Charlie",
			"--state-dir",
			join(dir, "Charlie"),
			"provider",
			"run",
			"--adapter",
			"cpu",
		];
		const provider = new Process("provider", binary("assay"), args, {
			log: join(dir, "provider.log"),
		});
		try {
			await alice.until("the job's end", 280, async () => {
				provider.check();
				return (await view()).reason.isSome;
			});
			assert.equal(`${(await view()).reason.unwrap()}`, "Paid");
			assert.ok(await holds(carol), "the provider's node fetched the inputs");
			const outputs = (await view()).outputRoots.map((root) => root.toHex());
			assert.ok(outputs.length > 0);
			// From the provider's node to the requester's.
			const [output] = outputs;
			const { len } = await carol.rpc("blob_status", output);
			await alice.rpc("blob_fetch", output, len);
			await alice.until(
				"the output",
				30,
				async () => (await alice.rpc("blob_status", output)).present,
			);
		} finally {
			await provider.stop();
			await api.disconnect();
		}
		passed++;
	},
);
