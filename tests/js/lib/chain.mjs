// Connects to the node of scripts/with-node and sends transactions as a wallet does.
import { ApiPromise, Keyring, WsProvider } from "@polkadot/api";

export const UNIT = 10n ** 12n;

/** One `n`th of an amount as the chain reckons parts: to the nearest unit, a half down. */
export const share = (whole, n) => (2n * whole + n - 1n) / (2n * n);
const keyring = new Keyring({ type: "sr25519" });
export const account = (uri) => keyring.addFromUri(uri);

/** Names of the custom RPC calls, so that `api.rpc.blob.put` works as in Polkadot.js Apps. */
const root = { name: "root", type: "H256" };
const rpc = {
	blob: {
		put: {
			description: "Upload a part of a blob",
			params: [
				root,
				{ name: "offset", type: "u64" },
				{ name: "totalLen", type: "u64" },
				{ name: "data", type: "Bytes" },
			],
			type: "Json",
		},
		get: {
			description: "Download a part of a blob",
			params: [root, { name: "offset", type: "u64" }, { name: "len", type: "u32" }],
			type: "Bytes",
		},
		status: {
			description: "What the node has of a blob",
			params: [root],
			type: "Json",
		},
	},
};

export async function connect(url = process.env.ASSAY_URL) {
	if (!url) throw new Error("ASSAY_URL is not set: run these tests by `make test-js`");
	const api = await ApiPromise.create({
		provider: new WsProvider(url),
		rpc,
		noInitWarn: true,
		throwOnConnect: true,
	});
	return api;
}

/** The name of a dispatch error, such as `jobs.RampUpsideDown`. */
export function errorName(api, error) {
	if (!error.isModule) return error.toString();
	const { section, name } = api.registry.findMetaError(error.asModule);
	return `${section}.${name}`;
}

/** Signs, sends, waits for the block; resolves to its events or rejects with the error's name. */
export function send(api, signer, tx) {
	return new Promise((resolve, reject) => {
		let unsubscribe;
		tx.signAndSend(signer, { nonce: -1 }, (result) => {
			if (result.dispatchError) {
				unsubscribe?.();
				reject(new Error(errorName(api, result.dispatchError)));
			} else if (result.isInBlock) {
				unsubscribe?.();
				resolve(result.events.map(({ event }) => event));
			} else if (result.isError) {
				unsubscribe?.();
				reject(new Error(`transaction ${result.status.type}`));
			}
		}).then((stop) => (unsubscribe = stop), reject);
	});
}

export const event = (events, section, method) =>
	events.find((e) => e.section === section && e.method === method);

/** Resolves with the first event that `match` accepts, over all blocks from now on. */
export function waitForEvent(api, match, seconds) {
	return new Promise((resolve, reject) => {
		let unsubscribe;
		const timer = setTimeout(() => {
			unsubscribe?.();
			reject(new Error(`no such event within ${seconds} s`));
		}, seconds * 1000);
		api.query.system
			.events((records) => {
				const found = records.map((r) => r.event).find(match);
				if (!found) return;
				clearTimeout(timer);
				unsubscribe?.();
				resolve(found);
			})
			.then((stop) => (unsubscribe = stop), reject);
	});
}
