// What a test may call in the page: window.call(name, ...arguments) answers with the clock around the call.
export const props = {
  product: { id: "sku-42", name: "Red mug", price: 12.5, tags: ["kitchen", "sale"] },
  quantity: 2, currency: "EUR", gift: false, note: null,
};

export function drive(calls) {
  window.call = (name, ...given) => {
    const began = Date.now();
    calls[name]?.(...given);
    return { began, ended: Date.now() };
  };
}
