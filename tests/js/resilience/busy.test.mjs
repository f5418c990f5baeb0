// A busy honest provider and somebody who demands of all its open results at once and again and
// again, while every block is full: nothing is lost but deposits. `make test-busy` has as many
// results open as `docs/security.md` names; the short form is one of `make test-disputes`.
import assert from "node:assert/strict";
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { describe } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { account, errorName, send, UNIT } from "../lib/chain.mjs";
import { onMarket, provider } from "./market.mjs";
import { repository } from "../lib/processes.mjs";

/** Results that are open at the same time. */
const RESULTS = Number(process.env.ASSAY_BUSY_RESULTS ?? 8);
const SEED = Number(process.env.ASSAY_SEED ?? randomInt(2 ** 31));
/**
 * Blocks from the last result's reveal until no more lanes may be opened; those that are open go
 * on.
 */
const WINDOW = RESULTS;
/** Blocks that a provider takes at most for one job, of a kind that keeps it busy for a second. */
const TURN = 4;
/**
 * Further arguments of the provider, such as `--keep-traces 0`: every answer then takes a replay.
 */
const ARGS = (process.env.ASSAY_BUSY_ARGS ?? "").split(" ").filter((one) => one);
/** Steps of a run. An opening of one in the middle takes a replay. */
const STEPS = 256;
/**
 * Ordinary transactions that wait at a time, a third more than a block takes; milliseconds until
 * they count as stuck.
 */
const [WAITING, STUCK] = [80, 7_000];
const training = join(repository, "examples/training");

const attacker = account("//Eve");
const crowd = account("//Bob");
const answers = account("//Ferdie").address;

/** Audited now and then: nobody's verdict ends a job early. */
const SELDOM = { audit: { Custom: 50_000 }, attestation: "Required", segments: null };

/** Numbers below `n`, the same ones for the same seed (mulberry32). */
function numbers(seed) {
	return (n) => {
		seed = (seed + 0x6d2b79f5) | 0;
		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
		return ((t ^ (t >>> 14)) >>> 0) % n;
	};
}

/** The events of one pallet and name, each with the block it is in. */
const named = (blocks, section, method) =>
	blocks.flatMap(({ number, events }) =>
		events
			.filter((e) => e.section === section && e.method === method)
			.map(({ data }) => ({ number, data })),
	);

/**
 * Ordinary transactions, each of 64 KiB, that fill every block; more than one block of them waits.
 */
class Crowd {
	constructor(api) {
		Object.assign(this, {
			api,
			wanted: true,
			sent: 0,
			tip: 0,
			remark: `0x${"2a".repeat(64 << 10)}`,
		});
		this.done = this.run();
	}

	async run() {
		const { api } = this;
		let [nonce, included, moved] = [0, -1, Date.now()];
		while (this.wanted) {
			const now = (await api.query.system.account(crowd.address)).nonce.toNumber();
			if (now > included) moved = Date.now();
			// A pool that is full drops some, and those behind it wait for ever: all are replaced,
			// by ones that pay more.
			if (now > nonce || Date.now() - moved > STUCK) {
				nonce = now;
				moved = Date.now();
				this.tip++;
			}
			included = now;
			try {
				for (; this.wanted && nonce - included < WAITING; nonce++, this.sent++) {
					const tx = api.tx.system.remark(this.remark);
					await tx.signAsync(crowd, { nonce, era: 0, tip: this.tip });
					await api.rpc.author.submitExtrinsic(tx);
				}
			} catch {
				// The pool is full, or something is in a block by now.
			}
			await sleep(200);
		}
	}

	async stop() {
		this.wanted = false;
		await this.done;
	}
}

/**
 * Somebody who demands every group that it can of each result, from the top down, and then anew.
 */
class Attacker {
	constructor(market, jobs, random) {
		Object.assign(this, { market, api: market.api, jobs, random });
		/** Places of children that are single tiles. */
		this.tiles = new Set();
	}

	/**
	 * A child of the group that was opened last; `null` for the first group, `undefined` where
	 * nothing is left.
	 */
	child(lane) {
		if (lane.isNone) return null;
		const { opened } = lane.unwrap();
		const [place, children] = opened.at(-1);
		if (place.isTensor) return undefined;
		const all = [...children.keys()].filter((child) => place.isRun || !this.tiles.has(child));
		return all[this.random(all.length)];
	}

	/** Demands whatever can be demanded now, all in one transaction; how many demands it took. */
	async move() {
		const { api, jobs } = this;
		const calls = [];
		const lanes = await Promise.all(
			jobs.map(({ id }) => api.call.arbitrationApi.lane(id, attacker.address)),
		);
		const results = await Promise.all(
			jobs.map(({ id }) => api.call.arbitrationApi.disputedResult(id)),
		);
		for (const [at, { id, order }] of jobs.entries()) {
			const lane = lanes[at];
			if (
				results[at].isNone ||
				(lane.isNone ? results[at].unwrap().open.isFalse : !lane.unwrap().turn.isMove)
			)
				continue;
			const child = this.child(lane);
			const list = lane.isSome ? lane.unwrap().list : null;
			if (child !== undefined)
				calls.push({ child, tx: api.tx.arbitration.demand(id, order, child, list) });
		}
		if (calls.length === 0) return 0;
		const events = await send(
			api,
			attacker,
			api.tx.utility.forceBatch(calls.map(({ tx }) => tx)),
		);
		const items = events.filter(
			({ section, method }) => section === "utility" && /^Item/.test(method),
		);
		for (const [at, { method, data }] of items.entries()) {
			// What came too late is no matter; anything else would be a fault of this file.
			const error = method === "ItemFailed" ? errorName(api, data.error) : null;
			if (error === "arbitration.AtTheTile") this.tiles.add(calls[at].child);
			else if (error)
				assert.match(
					error,
					/^arbitration\.(TooLate|DeadlinePassed|NothingToDispute|WrongChild)$/,
				);
		}
		return items.filter(({ method }) => method === "ItemCompleted").length;
	}

	/** Goes on until every job has ended. */
	async run() {
		let head = 0;
		for (let open = true; open;) {
			this.market.node.check();
			this.market.provider.check();
			const now = await this.market.height();
			if (now === head) {
				await sleep(50);
				continue;
			}
			head = now;
			await this.move();
			const views = await Promise.all(this.jobs.map(({ id }) => this.market.view(id)));
			open = views.some(({ reason }) => reason.isNone);
		}
	}
}

/**
 * Sets the base of the time to object for the results that are revealed from now on; audits are as
 * short as can be.
 */
const objectFor = (market, blocks) =>
	market.set((parameters) => {
		parameters.challenge.base = blocks;
		parameters.verify.base = 2;
		parameters.maxTranches = 1;
	});

describe("busy", () => {
	const options = {
		providerArgs: ["--adapter", "cpu", "--answer-key", "//Ferdie", ...ARGS],
		seconds: 120 + 40 * RESULTS,
	};
	onMarket(
		"busy",
		options,
		"busy provider should lose nothing when all its results are demanded of at once",
		async (market) => {
			const { api } = market;
			market.say(`${RESULTS} results, ASSAY_SEED=${SEED}`);
			const ledger = async () => (await api.query.stake.ledgers(provider)).unwrap();
			const before = await ledger();

			const [program, inputs] = ["train.program", "train.safetensors"].map((name) =>
				join(market.dir, name),
			);
			await market.assay(
				"Dave",
				"model",
				"train",
				join(training, "mlp.json"),
				"--data",
				join(training, "digits.npz"),
				"--steps",
				"0",
				"--program",
				program,
				"--inputs",
				inputs,
			);
			const { job: first } = await market.assay(
				"Dave",
				"job",
				"post",
				"--program",
				program,
				"--weights",
				inputs,
				"--steps",
				`${STEPS}`,
				"--audit",
				"5",
				"--price-start",
				"5",
				"--price-max",
				"10",
				"--ramp",
				"10",
			);
			const like = await market.view(first);
			const again = () =>
				api.tx.jobs.postJob(
					like.program,
					like.inputRoots,
					STEPS,
					5n * UNIT,
					10n * UNIT,
					10,
					SELDOM,
				);
			await send(
				api,
				account("//Dave"),
				api.tx.utility.batchAll(Array.from({ length: RESULTS - 1 }, again)),
			);
			const jobs = (await api.call.marketApi.jobs(first, RESULTS)).map(({ id, order }) => ({
				id: id.toNumber(),
				order,
			}));
			assert.equal(jobs.length, RESULTS);
			market.say(`${RESULTS} jobs posted`);

			// What is revealed early stays open until the last one is.
			let objecting = WINDOW + TURN * RESULTS;
			await objectFor(market, objecting);
			market.startProvider();
			const revealed = async () =>
				(await api.call.marketApi.jobs(first, RESULTS)).filter(
					({ runRoot }) => runRoot.isSome,
				).length;
			for (let open = 0; open < RESULTS;) {
				market.node.check();
				market.provider.check();
				const now = await revealed();
				if (now > open)
					market.say(`block ${await market.height()}: ${now} results are open`);
				open = now;
				const needed = WINDOW + TURN * (RESULTS - open);
				if (needed < objecting) await objectFor(market, (objecting = needed));
				await sleep(200);
			}
			const hash = await api.rpc.chain.getBlockHash();
			const at = await api.at(hash);
			const results = await Promise.all(
				jobs.map(({ id }) => at.call.arbitrationApi.disputedResult(id)),
			);
			assert.ok(
				results.every((one) => one.isSome && one.unwrap().open.isTrue),
				"all results are open in one block",
			);
			const views = await Promise.all(jobs.map(({ id }) => at.call.marketApi.job(id)));
			assert.ok(
				views.every(
					(one) =>
						`${one.unwrap().provider.unwrap()}` === provider &&
						one.unwrap().reason.isNone,
				),
			);
			const held = (await ledger()).held.toBigInt();
			assert.ok(held > 0n);
			market.say(
				`all results are open, for ${held / UNIT} ASY of bonds; now they are demanded of`,
			);

			const full = new Crowd(api);
			const attack = new Attacker(market, jobs, numbers(SEED));
			try {
				await attack.run();
			} finally {
				await full.stop();
			}
			for (const { id } of jobs) await market.ended(id, "Paid", 1);

			const { blocks, ends } = await market.books();
			const demanded = named(blocks, "arbitration", "OpeningDemanded");
			const answered = named(blocks, "arbitration", "OpeningAnswered");
			const key = ({ data }) => `${data.job} ${data.challenger} ${data.place}`;
			/** Blocks that each demand waited, and had. */
			const waits = [];
			const left = [...answered];
			for (const one of demanded) {
				const found = left.findIndex(
					(other) => other.number > one.number && key(other) === key(one),
				);
				assert.ok(found >= 0, `job ${one.data.job}: ${one.data.place} is answered`);
				const [{ number, data }] = left.splice(found, 1);
				assert.ok(number <= one.data.deadline.toNumber(), "in time");
				assert.equal(`${data.by}`, answers, "by the key for answers");
				waits.push([number - one.number, one.data.deadline.toNumber() - one.number]);
			}
			assert.equal(left.length, 0);
			assert.equal(named(blocks, "arbitration", "OpeningWithheld").length, 0);
			assert.equal(named(blocks, "jobs", "ResultCondemned").length, 0);
			assert.equal(named(blocks, "stake", "JobSlashed").length, 0);
			const after = await ledger();
			assert.equal(after.active.toBigInt(), before.active.toBigInt(), "the stake is whole");
			assert.equal(after.held.toBigInt(), 0n, "no bond is held any more");

			// A lane in each result in one block, and each as far down as there is anything to
			// demand.
			const opened = named(blocks, "arbitration", "LaneOpened");
			const start = Math.min(...opened.map(({ number }) => number));
			assert.equal(opened.filter(({ number }) => number === start).length, RESULTS);
			for (const { id } of jobs) {
				for (const kind of ["Run", "Trace", "Tensor"]) {
					assert.ok(
						demanded.some(({ data }) => data.job.eq(id) && data.place.type === kind),
						`job ${id}: ${kind}`,
					);
				}
			}
			const closed = named(blocks, "arbitration", "LaneClosed");
			for (const { data } of opened) {
				assert.equal(`${data.challenger}`, attacker.address);
				const at = closed.findIndex((one) => one.data.job.eq(data.job));
				const [{ data: lane }] = closed.splice(at, 1);
				const deposit = data.deposit.toBigInt();
				assert.ok(deposit > 0n);
				const parts = [lane.returned, lane.paid, lane.burned].map((one) => one.toBigInt());
				assert.deepEqual(
					parts,
					[0n, deposit / 2n, deposit - deposit / 2n],
					"half of the deposit to the provider, none came back",
				);
			}
			assert.equal(closed.length, 0);
			for (const [at, { id }] of jobs.entries()) {
				const agreed = views[at].unwrap().price.unwrap().toBigInt();
				assert.equal(
					ends.get(id).earned,
					agreed - (agreed + 19n) / 20n,
					"the price less the burned twentieth",
				);
			}

			const end = demanded.at(-1).number;
			const size = ({ extrinsics }) =>
				extrinsics.reduce((sum, one) => sum + one.encodedLength, 0);
			const room = api.consts.system.blockLength.max.normal.toNumber();
			const fullness = blocks
				.filter(({ number }) => number > start && number <= end)
				.map((block) => size(block) / room);
			fullness.sort((a, b) => a - b);
			const median = fullness[fullness.length >> 1];
			const [slowest, nearest] = [
				Math.max(...waits.map(([took]) => took)),
				Math.min(...waits.map(([took, had]) => had - took)),
			];
			market.say(
				`${opened.length} lanes, ${demanded.length} demands ` +
					`in ${end - start + 1} blocks, ` +
					`${(100 * median).toFixed(0)} % full of ` +
					`${full.sent} remarks, begun again ${full.tip} times`,
			);
			market.say(
				`the slowest answer took ${slowest} blocks; ` +
					`the nearest to its deadline was ${nearest} blocks before it`,
			);
			assert.ok(median > 0.5, "most blocks are full");
		},
	);
});
