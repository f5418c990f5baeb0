// The requesters and providers of a load test: many jobs in flight, many transactions in every
// block.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { blake3 } from "@noble/hashes/blake3";
import { u8aToHex } from "@polkadot/util";
import { join } from "node:path";
import { account, errorName, send, UNIT } from "../lib/chain.mjs";
import { Process } from "../lib/processes.mjs";

/** Jobs that one account's stake backs at a time; the runtime's `MaxJobHolds`. */
const HOLDS = 64;
/** `assay_commitments`' context of a provider's commitment. */
const CONTEXT = "assay 2026-11-29 result commitment v2";
/** Jobs that one requester has under way here; the runtime's `MaxJobsPerRequester` is 64. */
const POSTED = 48;
/** What a requester has to spend. */
const PURSE = 10_000n * UNIT;
const BOND = 10_000n * UNIT;

export class Fleet {
	constructor(api, { job, first, providers, inflight, say }) {
		Object.assign(this, { api, job, first, inflight, say });
		this.accounts = Array.from({ length: providers }, (_, i) => account(`//Soak//${i}`));
		this.requesters = Array.from({ length: Math.ceil(inflight / POSTED) + 1 }, (_, i) =>
			account(`//Soak//Requester//${i}`),
		);
		/** Posts of each requester that are not in a block yet. */
		this.posting = new Map(this.requesters.map(({ address }) => [address, 0]));
		this.jobs = new Map();
		this.ended = [];
		this.refused = new Map();
		this.waiting = [];
	}

	/** Reads the first job's opening from the chain, and sets the accounts up. */
	async prepare(dir, { assay }) {
		const { api } = this;
		const view = (await api.call.marketApi.job(this.first)).unwrap();
		assert.equal(`${view.reason.unwrap()}`, "Paid", "the first job");
		this.runRoot = view.runRoot.unwrap().toHex();
		this.opening = await this.openingOf(this.first);
		this.genesis = api.genesisHash.toU8a();
		const gift =
			(sum) =>
			({ address }) =>
				api.tx.balances.transferKeepAlive(address, sum);
		await send(
			api,
			account("//Alice"),
			api.tx.utility.batchAll([
				...this.accounts.map(gift(2n * BOND)),
				...this.requesters.map(gift(PURSE)),
			]),
		);
		for (const [i, one] of this.accounts.entries()) {
			// Registered by the real client, which signs with the peer key.
			const args = [
				...assay[1].map((arg) =>
					arg === "//Charlie"
						? `//Soak//${i}`
						: arg.endsWith("/charlie")
							? join(dir, `soak-${i}`)
							: arg,
				),
			];
			const register = new Process(
				`register ${i}`,
				assay[0],
				[...args, "identity", "register", "--role", "provider", "--adapter", "cpu"],
				{ log: join(dir, "register.log") },
			);
			assert.equal(await register.exited, "exit 0", register.lines.slice(-15).join("\n"));
			await send(api, one, api.tx.stake.bond(BOND));
		}
		this.nonces = new Map();
		for (const one of [...this.accounts, ...this.requesters]) {
			this.nonces.set(
				one.address,
				(await api.rpc.system.accountNextIndex(one.address)).toNumber(),
			);
		}
		this.say(`${this.accounts.length} providers are ready`);
	}

	/**
	 * What `revealResult` of a job has shown of its outputs: the same for every run of that job.
	 */
	async openingOf(id) {
		const { api } = this;
		for (
			let number = (await api.rpc.chain.getHeader()).number.toNumber();
			number > 0;
			number--
		) {
			const { block } = await api.rpc.chain.getBlock(
				await api.rpc.chain.getBlockHash(number),
			);
			for (const { method } of block.extrinsics) {
				if (method.section !== "jobs" || method.method !== "revealResult") continue;
				const args = Object.fromEntries(
					method.meta.args.map(({ name }, i) => [name.toString(), method.args[i]]),
				);
				if (args.job.toNumber() === id) return args.opening;
			}
		}
		throw new Error(`no block has the reveal of job ${id}`);
	}

	underWay() {
		return this.jobs.size + [...this.posting.values()].reduce((sum, one) => sum + one, 0);
	}

	/** Jobs of a requester that count against what one may have. */
	load({ address }) {
		return (
			this.posting.get(address) +
			[...this.jobs.values()].filter(({ requester }) => requester === address).length
		);
	}

	/** A post of this account is in a block, or never will be. */
	settled(address) {
		this.posting.set(address, Math.max(0, this.posting.get(address) - 1));
	}

	/** Sends without waiting; what the pool or the chain refuses is counted by name. */
	async submit(signer, tx, posts = false) {
		const nonce = this.nonces.get(signer.address);
		this.nonces.set(signer.address, nonce + 1);
		try {
			await tx.signAsync(signer, { nonce });
			await this.api.rpc.author.submitExtrinsic(tx);
		} catch (error) {
			if (posts) this.settled(signer.address);
			this.note(`pool: ${error.message.slice(0, 100)}`);
			// The nonce was not used: begin again at what the chain and the pool have.
			this.nonces.set(
				signer.address,
				(await this.api.rpc.system.accountNextIndex(signer.address)).toNumber(),
			);
		}
	}

	note(name) {
		this.refused.set(name, (this.refused.get(name) ?? 0) + 1);
	}

	commitment(order, who, salt) {
		const [named, root] = [order, this.runRoot].map((hash) =>
			Buffer.from(hash.slice(2), "hex"),
		);
		const message = Buffer.concat([this.genesis, named, who.publicKey, root, salt]);
		return u8aToHex(blake3(message, { context: new TextEncoder().encode(CONTEXT) }));
	}

	/** Takes in a block's events, and answers them. */
	async follow(block, posting) {
		const sends = [];
		for (const job of this.waiting.splice(0)) this.claim(job, sends);
		for (const { section, method, data } of block.events) {
			if (section === "system" && method === "ExtrinsicFailed")
				this.note(errorName(this.api, data.dispatchError));
			if (section !== "jobs") continue;
			const id = data.job?.toNumber();
			if (method === "JobPosted" && this.posting.has(`${data.requester}`)) {
				this.jobs.set(id, {
					id,
					order: data.order.toHex(),
					requester: `${data.requester}`,
					posted: block.number,
				});
				this.settled(`${data.requester}`);
			}
			const job = this.jobs.get(id);
			if (!job) continue;
			if (method === "PhaseChanged") {
				job[`${data.phase}`] = block.number;
				if (`${data.phase}` === "Open") this.claim(job, sends);
				if (`${data.phase}` === "Claimed") {
					job.salt = randomBytes(32);
					sends.push(() =>
						this.submit(
							job.provider,
							this.api.tx.jobs.commitResult(
								id,
								job.order,
								this.commitment(job.order, job.provider, job.salt),
								null,
							),
						),
					);
				}
				if (`${data.phase}` === "Revealing") {
					sends.push(() =>
						this.submit(
							job.provider,
							this.api.tx.jobs.revealResult(
								id,
								job.order,
								this.runRoot,
								job.salt,
								this.opening,
								null,
							),
						),
					);
				}
			}
			if (method === "AuditDecided") job.audited = data.audited.isTrue;
			if (method === "ResultRevealed") job.revealed = block.number;
			if (method === "JobEnded") {
				this.jobs.delete(id);
				const end = {
					paid: data.paid.toBigInt(),
					refunded: data.refunded.toBigInt(),
					burned: data.burned.toBigInt(),
				};
				this.ended.push({ ...job, ...end, reason: `${data.reason}`, at: block.number });
			}
		}
		for (
			let room = Math.min(this.inflight - this.underWay(), 128);
			posting && room > 0;
			room--
		) {
			const [load, signer] = this.requesters
				.map((one) => [this.load(one), one])
				.sort(([a], [b]) => a - b)[0];
			if (load >= POSTED) break;
			this.posting.set(signer.address, this.posting.get(signer.address) + 1);
			sends.push(() => this.submit(signer, this.job(), true));
		}
		// One after another for each signer's nonces; the node takes thousands a second.
		for (const one of sends) await one();
	}

	claim(job, sends) {
		const load = (one) =>
			[...this.jobs.values()].filter(({ provider }) => provider === one).length;
		const free = this.accounts.map((one) => [load(one), one]).sort(([a], [b]) => a - b)[0];
		// Claimed with a later block, when a bond is free again.
		if (free[0] >= HOLDS) return this.waiting.push(job);
		job.provider = free[1];
		sends.push(() =>
			this.submit(job.provider, this.api.tx.jobs.claimJob(job.id, job.order, 0, BOND)),
		);
	}
}
