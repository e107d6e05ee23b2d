// One value that any part of the page may read, and follow.

import { useEffect, useState } from './preact.js';

export function observable(first) {
  let now = first;
  const followers = new Set();
  return {
    get: () => now,
    set(value) {
      if (value === now) return;
      now = value;
      followers.forEach((follow) => follow(value));
    },
    /** A hook: the value, and another rendering when it changes. */
    use() {
      const [seen, see] = useState(now);
      useEffect(() => {
        see(now); // it may have changed between the rendering and this
        followers.add(see);
        return () => followers.delete(see);
      }, []);
      return seen;
    },
  };
}
