// Reads every block once, and closes the books at the end.
import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";

export class Books {
	constructor(api) {
		this.api = api;
		this.escrows = new Map();
	}

	async open() {
		this.number = (await this.api.rpc.chain.getHeader()).number.toNumber();
		this.from = this.number;
		const { maxBlock } = this.api.consts.system.blockWeights;
		this.limit = maxBlock.refTime.toBigInt();
		this.before = await this.holds(this.number);
	}

	/** Waits for the next block: its events, how full it is, and how many newer ones there are. */
	async next() {
		const { api } = this;
		let head;
		while ((head = (await api.rpc.chain.getHeader()).number.toNumber()) <= this.number)
			await sleep(200);
		const hash = await api.rpc.chain.getBlockHash(++this.number);
		const [{ block }, at] = await Promise.all([api.rpc.chain.getBlock(hash), api.at(hash)]);
		const [records, weight, time] = await Promise.all([
			at.query.system.events(),
			at.query.system.blockWeight(),
			at.query.timestamp.now(),
		]);
		const events = records.map(({ event }) => event);
		for (const { section, method, data } of events) {
			if (section === "jobs" && method === "JobPosted")
				this.escrows.set(data.job.toNumber(), data.escrow.toBigInt());
		}
		const used = ["normal", "operational", "mandatory"].reduce(
			(sum, of) => sum + weight[of].refTime.toBigInt(),
			0n,
		);
		const figures = {
			block: this.number,
			time: time.toNumber(),
			fullness: Number(used) / Number(this.limit),
			extrinsics: block.extrinsics.length,
			bytes: block.extrinsics.reduce((sum, one) => sum + one.encodedLength, 0),
		};
		return { number: this.number, behind: head - this.number, events, figures };
	}

	/**
	 * What is held of whose balance for open jobs, by account; deposits for records stay longer.
	 */
	async holds(number) {
		const at = await this.api.at(await this.api.rpc.chain.getBlockHash(number));
		const rows = await at.query.balances.holds.entries();
		const held = new Map();
		for (const [key, holds] of rows) {
			const escrow = [...holds]
				.filter(({ id }) => id.type === "Jobs" && id.asJobs.isJobEscrow)
				.reduce((sum, { amount }) => sum + amount.toBigInt(), 0n);
			if (escrow > 0n) held.set(key.args[0].toString(), escrow);
		}
		return held;
	}

	/**
	 * Every escrow of an ended job has left in full, and what is held is exactly what open jobs
	 * hold.
	 */
	async close(fleet) {
		let escrow = 0n;
		for (const { id, paid, refunded, burned } of fleet.ended) {
			assert.equal(
				paid + refunded + burned,
				this.escrows.get(id),
				`job ${id}: what was held is what left`,
			);
			escrow += this.escrows.get(id);
		}
		assert.equal(fleet.jobs.size, 0, "every job has ended");
		assert.deepEqual(
			await this.holds(this.number),
			new Map(),
			"nothing is held for a job any more",
		);
		return { blocks: this.number - this.from, escrow };
	}
}
