// Which keys are picked: a metric's name and the key's values, in the address.
import { part, setPart } from "../common/address.js";

// The key picked of a metric, where it has as many values as the metric has keys.
export function pickedOf({ name, by }) {
  const keys = Object.keys(by).length;
  try {
    const values = JSON.parse(part(name));
    return keys && Array.isArray(values) && values.length === keys ? values : null;
  } catch {
    return null; // written by hand
  }
}

export const pick = (name, values) => setPart(name, values && JSON.stringify(values));
