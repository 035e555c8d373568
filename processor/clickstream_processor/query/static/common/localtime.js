// A time as an <input type="datetime-local"> has it.
const two = (n) => String(n).padStart(2, "0");

export function localText(ms) {
  const d = new Date(ms);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}
