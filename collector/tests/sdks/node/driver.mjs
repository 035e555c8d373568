// Calls an SDK as a test says: a line of JSON in, [name, ...arguments], and a line out with the clock around the call.
// The SDK answers later, or never: nobody waits for it here.
import { createInterface } from "node:readline";

export const page = "https://www.example.com/shop/mug?ref=mail";
export const props = {
  product: { id: "sku-42", name: "Red mug", price: 12.5, tags: ["kitchen", "sale"] },
  quantity: 2, currency: "EUR", gift: false, note: null,
};
const complain = (error) => console.error(String(error?.stack ?? error));
process.on("unhandledRejection", complain);
process.on("uncaughtException", complain);

export function drive(calls) {
  createInterface({ input: process.stdin }).on("line", (line) => {
    const [name, ...given] = JSON.parse(line);
    const began = Date.now();
    Promise.resolve(calls[name]?.(...given)).catch(complain);
    console.log(JSON.stringify({ began, ended: Date.now() }));
  }).on("close", () => process.exit(0));
}
