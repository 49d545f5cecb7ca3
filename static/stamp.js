// xterm.js makes <style> elements and sets style attributes; this page's policy allows neither as they are.
// A style element made here gets the nonce of this answer; a style attribute is set through the CSSOM, which needs none.
{
  const nonce = document.currentScript.nonce;
  const create = document.createElement.bind(document), set = Element.prototype.setAttribute;
  document.createElement = (name, options) => {
    const made = create(name, options);
    if (String(name).toLowerCase() === "style") made.nonce = nonce;
    return made;
  };
  Element.prototype.setAttribute = function (name, value) {
    if (name === "style") this.style.cssText = value;
    else set.call(this, name, value);
  };
}
