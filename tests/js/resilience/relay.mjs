// Between a client and its node: hands everything on, but for the blobs that the client uploads. It
// is told that they have arrived, and nobody ever has them.
import { WebSocket, WebSocketServer } from "ws";
import { freePort } from "../lib/processes.mjs";

export class Relay {
	/** A relay to the node at `url`; what it has kept back is in `withheld`. */
	static async to(url) {
		const relay = new Relay();
		/** Lengths of what was kept back, by root. */
		relay.withheld = new Map();
		relay.port = await freePort();
		relay.url = `ws://127.0.0.1:${relay.port}`;
		relay.server = new WebSocketServer({ host: "127.0.0.1", port: relay.port });
		relay.server.on("connection", (client) => relay.connect(client, url));
		return relay;
	}

	connect(client, url) {
		const node = new WebSocket(url);
		const early = [];
		node.on("open", () => early.splice(0).forEach((text) => node.send(text)));
		node.on("message", (data) => client.send(`${data}`));
		client.on("message", (data) => {
			const text = `${data}`;
			const answer = this.answer(JSON.parse(text));
			if (answer) return client.send(JSON.stringify(answer));
			if (node.readyState === WebSocket.OPEN) node.send(text);
			else early.push(text);
		});
		for (const [one, other] of [
			[client, node],
			[node, client],
		]) {
			one.on("close", () => other.close());
			one.on("error", () => other.terminate());
		}
	}

	/** What the relay itself says to a request: `null` where the node is to. */
	answer({ id, method, params }) {
		const named = Array.isArray(params) ? params : Object.values(params ?? {});
		const [root, , total] = named;
		if (method === "blob_put") this.withheld.set(root, total);
		if (!["blob_put", "blob_status"].includes(method) || !this.withheld.has(root)) return null;
		const len = this.withheld.get(root);
		return { jsonrpc: "2.0", id, result: { present: true, len, received: len } };
	}

	async stop() {
		for (const client of this.server.clients) client.terminate();
		await new Promise((done) => this.server.close(done));
	}
}
