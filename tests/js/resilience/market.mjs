// A chain of its own with one validator, one provider and one requester, and its books.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { account, connect, send } from "../lib/chain.mjs";
import { binary, freePort, Process, repository } from "../lib/processes.mjs";

const began = Date.now();
const digits = join(repository, "examples/digits");
/** Phases in the order in which a job passes through. */
const ORDER = [
	"Posted",
	"Open",
	"Claimed",
	"Committed",
	"Verifying",
	"Revealing",
	"Challengeable",
	"Settled",
];
const order = (phase) => (phase === "Failed" ? ORDER.length : ORDER.indexOf(phase));

export const provider = account("//Charlie").address;
export const requester = account("//Dave").address;
export const validator = account("//Alice").address;

export class Market {
	/** Starts a node, registers //Charlie as a provider with a bond, and opens the books. */
	async start(name, { nodeArgs, providerArgs, env = {} }) {
		this.name = name;
		this.dir = mkdtempSync(join(tmpdir(), `assay-${name}-`));
		this.nodeArgs = nodeArgs ?? ["--worker-adapter", "cpu"];
		this.providerArgs = providerArgs ?? ["--adapter", "cpu"];
		this.env = env;
		this.ports = [await freePort(), await freePort()];
		this.url = `ws://127.0.0.1:${this.ports[0]}`;
		await this.startNode();
		await this.assay(
			"Charlie",
			"identity",
			"register",
			"--role",
			"provider",
			"--adapter",
			"cpu",
		);
		await this.assay("Charlie", "stake", "bond", "100000");
		this.from = await this.height();
	}

	/** Says how far the scenario is. */
	say(text) {
		const seconds = ((Date.now() - began) / 1000).toFixed(0).padStart(4);
		console.log(`${seconds} s  ${this.name.padEnd(10)} ${text}`);
	}

	async startNode() {
		const [rpc, p2p] = this.ports;
		const args = [
			"--dev",
			"--base-path",
			join(this.dir, "node"),
			"--rpc-port",
			`${rpc}`,
			"--no-prometheus",
			"--no-mdns",
			"--listen-addr",
			`/ip4/127.0.0.1/tcp/${p2p}`,
			...this.nodeArgs,
		];
		const log = join(this.dir, "node.log");
		this.node = new Process(`${this.name}: node`, binary("assay-node"), args, {
			log,
			env: this.env,
		});
		await this.node.line(new RegExp(`Running JSON-RPC server.*:${rpc}\\b`), 120);
		this.api = await connect(this.url);
		this.say(`node runs (pid ${this.node.child.pid}), best block ${await this.height()}`);
	}

	/** SIGKILL for the node, and another on the same database; what waited in its pool is lost. */
	async restartNode() {
		await this.api.disconnect();
		await this.node.kill();
		await this.startNode();
	}

	/**
	 * Starts `assay provider run` on the state folder of earlier ones; `url` is where it finds its
	 * node.
	 */
	startProvider({ url = this.url } = {}) {
		const args = [...this.common("Charlie", url), "provider", "run", ...this.providerArgs];
		const log = join(this.dir, "provider.log");
		this.provider = new Process(`${this.name}: provider`, binary("assay"), args, {
			log,
			env: this.env,
		});
	}

	/** Starts a provider that computes wrong and stands by it; `args` say where it lies. */
	startMalus(...args) {
		const log = join(this.dir, "malus.log");
		const all = ["--url", this.url, "--key", "//Charlie", ...args];
		this.provider = new Process(`${this.name}: malus`, binary("malus-provider"), all, {
			log,
			env: this.env,
		});
	}

	common(who, url = this.url) {
		return ["--url", url, "--key", `//${who}`, "--state-dir", join(this.dir, who)];
	}

	/** One command of the command line; its last JSON document. */
	async assay(who, ...args) {
		const options = { env: { ...process.env, ...this.env }, timeout: 200_000, cwd: repository };
		const { stdout } = await promisify(execFile)(
			binary("assay"),
			[...this.common(who), "--json", ...args],
			options,
		);
		return JSON.parse(stdout.trim().split("\n").at(-1));
	}

	/** //Dave posts the digits job, audited for sure unless `more` says otherwise; its number. */
	async post(...more) {
		const { job } = await this.assay(
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
			...(more.includes("--audit") ? [] : ["--audit", "100"]),
			...more,
		);
		this.say(`job ${job} posted`);
		return job;
	}

	async height() {
		return (await this.api.rpc.chain.getHeader()).number.toNumber();
	}

	/**
	 * Changes the chain's parameters by its root: `change` gets them as JSON. Holds for jobs posted
	 * from then on.
	 */
	async set(change) {
		const parameters = (await this.api.query.jobs.parameters()).toJSON();
		change(parameters);
		await send(
			this.api,
			account("//Alice"),
			this.api.tx.sudo.sudo(this.api.tx.jobs.setParameters(parameters)),
		);
	}

	/** Everything the chain says about a job. */
	async view(job) {
		return (await this.api.call.marketApi.job(job)).unwrap();
	}

	/** Waits until a job is in a phase or beyond; the phase it is in then. */
	async phase(job, wanted, seconds) {
		const until = Date.now() + 1000 * seconds;
		for (;;) {
			this.node.check();
			const { phase } = await this.view(job);
			if (order(`${phase}`) >= order(wanted)) return `${phase}`;
			if (Date.now() > until)
				assert.fail(`job ${job} is ${phase}, not ${wanted}, after ${seconds} s`);
			await sleep(100);
		}
	}

	/**
	 * Waits until a call waits in the node's pool, or the job has left its phase; whether it waits.
	 */
	async pending(job, phase, call, seconds) {
		const until = Date.now() + 1000 * seconds;
		for (;;) {
			const [pool, view] = await Promise.all([
				this.api.rpc.author.pendingExtrinsics(),
				this.view(job),
			]);
			if (pool.some(({ method }) => method.section === "jobs" && method.method === call))
				return true;
			if (!view.phase.eq(phase)) return false;
			if (Date.now() > until)
				assert.fail(`nobody sends ${call} for job ${job} within ${seconds} s`);
			await sleep(50);
		}
	}

	/** Waits for the end of a job and compares the chain's reason; the job's last view. */
	async ended(job, reason, seconds) {
		await this.phase(job, "Settled", seconds);
		const view = await this.view(job);
		assert.equal(`${view.reason.unwrap()}`, reason, `${this.name}: job ${job}`);
		this.say(`job ${job} ended: ${reason}`);
		return view;
	}

	/** Every block since the books were opened: `{ number, events, extrinsics }`. */
	async blocks() {
		const last = await this.height();
		const blocks = [];
		for (let number = this.from + 1; number <= last; number++) {
			const hash = await this.api.rpc.chain.getBlockHash(number);
			const [{ block }, at] = await Promise.all([
				this.api.rpc.chain.getBlock(hash),
				this.api.at(hash),
			]);
			const events = (await at.query.system.events()).map(({ event }) => event);
			blocks.push({ number, hash, events, extrinsics: block.extrinsics });
		}
		return blocks;
	}

	/** Free and held balance of every account, and the total issuance, after a block. */
	async balances(number) {
		const at = await this.api.at(await this.api.rpc.chain.getBlockHash(number));
		const rows = await at.query.system.account.entries();
		const sum = ({ data }) => data.free.toBigInt() + data.reserved.toBigInt();
		const accounts = new Map(rows.map(([key, info]) => [key.args[0].toString(), sum(info)]));
		return { accounts, issuance: (await at.query.balances.totalIssuance()).toBigInt() };
	}

	/**
	 * Closes the books: every account has, to the last unit, what the events since the start say,
	 * and what nobody has was burned. Gives the blocks and the end of every job by its number.
	 */
	async books() {
		const blocks = await this.blocks();
		const [before, after] = [
			await this.balances(this.from),
			await this.balances(blocks.at(-1).number),
		];
		const expected = new Map(before.accounts);
		const add = (who, amount) =>
			expected.set(`${who}`, (expected.get(`${who}`) ?? 0n) + amount);
		const escrows = new Map();
		const ends = new Map();
		/** What validators got of each job's escrow; the rest of what is paid is the provider's. */
		const seats = new Map();
		const provers = new Map();
		let burned = 0n;
		for (const { section, method, data } of blocks.flatMap(({ events }) => events)) {
			const of = (name) => data[name].toBigInt();
			switch (`${section}.${method}`) {
				case "transactionPayment.TransactionFeePaid":
					add(data.who, -of("actualFee"));
					add(validator, of("actualFee"));
					break;
				case "jobs.JobPosted":
					escrows.set(data.job.toNumber(), of("escrow"));
					break;
				case "jobs.VerifierPaid":
				case "jobs.HolderPaid":
					add(data.account, of("amount"));
					seats.set(
						data.job.toNumber(),
						(seats.get(data.job.toNumber()) ?? 0n) + of("amount"),
					);
					break;
				case "jobs.DepositBurned":
					add(requester, -of("amount"));
					burned += of("amount");
					break;
				case "jobs.ResultCondemned":
					provers.set(data.job.toNumber(), `${data.by}`);
					break;
				case "stake.JobSlashed": {
					// Of a condemned result, the prover's part comes first.
					const job = data.job.toNumber();
					add(data.who, -of("burned") - of("paid"));
					add(provers.get(job) ?? requester, of("paid"));
					provers.delete(job);
					burned += of("burned");
					break;
				}
				case "arbitration.LaneClosed":
					add(data.challenger, -of("burned") - of("paid"));
					add(provider, of("paid"));
					burned += of("burned");
					break;
				case "jobs.JobEnded": {
					const job = data.job.toNumber();
					const end = {
						paid: of("paid"),
						refunded: of("refunded"),
						burned: of("burned"),
					};
					assert.equal(
						end.paid + end.refunded + end.burned,
						escrows.get(job),
						"an escrow leaves in full",
					);
					assert.ok(!ends.has(job), "a job ends once");
					ends.set(job, end);
					add(requester, -end.paid - end.burned);
					end.seats = seats.get(job) ?? 0n;
					end.earned = end.paid - end.seats;
					add(provider, end.earned);
					burned += end.burned;
					break;
				}
			}
		}
		assert.deepEqual(
			new Map([...after.accounts].sort()),
			new Map([...expected].sort()),
			`${this.name}: every account`,
		);
		assert.equal(before.issuance - after.issuance, burned, `${this.name}: the burned part`);
		const total = [...after.accounts.values()].reduce((sum, one) => sum + one, 0n);
		assert.equal(total, after.issuance, `${this.name}: nothing is outside the accounts`);
		this.say(`books are right over ${blocks.length} blocks: ${burned} units burned`);
		return { blocks, ends };
	}

	/** Ends what was started; keeps the folder with the logs where the scenario failed. */
	async end(passed) {
		await this.provider?.stop();
		await this.api?.disconnect();
		await this.node?.stop();
		if (passed) return rmSync(this.dir, { recursive: true, force: true });
		this.say(`failed; the logs are in ${this.dir} and end so:`);
		for (const one of [this.node, this.provider])
			one?.lines.slice(-25).forEach((line) => console.log(`${one.name}: ${line}`));
	}
}

/**
 * Nothing of a job's escrow went to its provider, and nothing was burned but a twentieth of what
 * validators got for data.
 */
export function assertRefunded({ earned, burned, seats }, what) {
	assert.equal(earned, 0n, `${what}: the provider gets nothing`);
	assert.ok(burned <= seats / 19n + 4n, `${what}: ${burned} burned, ${seats} for validators`);
}

/** A test on a market of its own, which takes `options.seconds` at most. */
export function onMarket(name, options, title, scenario) {
	test(title, { timeout: 1000 * (options.seconds ?? 340) }, async () => {
		const market = new Market();
		let passed = false;
		try {
			await market.start(name, options);
			await scenario(market);
			passed = true;
		} finally {
			await market.end(passed);
		}
	});
}
