// A link that restores a page: its scene (yuan_demo/ui/scenes.py), compressed, behind the # of the
// address, which a browser never sends to a server, so that no text reaches a log.
(() => {
  const MARK = '#s=', LIMIT = 8000;

  async function squeeze(stream, bytes) {
    return new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(stream)).arrayBuffer());
  }
  const toText = bytes => btoa(Array.from(bytes, byte => String.fromCharCode(byte)).join('')).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
  const toBytes = text => Uint8Array.from(atob(text.replaceAll('-', '+').replaceAll('_', '/')), character => character.charCodeAt(0));

  // The address that opens this scene.
  async function makeLink(scene) {
    const bytes = await squeeze(new CompressionStream('deflate-raw'), new TextEncoder().encode(JSON.stringify(scene)));
    return location.origin + location.pathname + location.search + MARK + toText(bytes);
  }

  // The scene of the address as JSON, '' without one, '?' if it cannot be read. The address is
  // cleared: loading the page anew must not undo what was said since.
  async function readLink() {
    if (!location.hash.startsWith(MARK)) return '';
    const packed = location.hash.slice(MARK.length);
    history.replaceState(null, '', location.pathname + location.search);
    try {
      return new TextDecoder().decode(await squeeze(new DecompressionStream('deflate-raw'), toBytes(packed)));
    } catch { return '?'; }
  }

  // A link opened in a page that is already there changes its # only.
  addEventListener('hashchange', () => { if (location.hash.startsWith(MARK)) location.reload(); });

  Object.assign(window.yuanDemo, { makeLink, readLink, LINK_LIMIT: LIMIT });
})();
