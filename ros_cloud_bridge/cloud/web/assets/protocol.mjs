// node_modules/cborg/lib/is.js
var e = [
	"Object",
	"RegExp",
	"Date",
	"Error",
	"Map",
	"Set",
	"WeakMap",
	"WeakSet",
	"ArrayBuffer",
	"SharedArrayBuffer",
	"DataView",
	"Promise",
	"URL",
	"HTMLElement",
	"Int8Array",
	"Uint8ClampedArray",
	"Int16Array",
	"Uint16Array",
	"Int32Array",
	"Uint32Array",
	"Float32Array",
	"Float64Array",
	"BigInt64Array",
	"BigUint64Array",
	"Tagged"
];
function t(e) {
	if (e === null) return "null";
	if (e === void 0) return "undefined";
	if (e === !0 || e === !1) return "boolean";
	let t = typeof e;
	return t === "string" || t === "number" || t === "bigint" || t === "symbol" ? t : t === "function" ? "Function" : Array.isArray(e) ? "Array" : e instanceof Uint8Array ? "Uint8Array" : e.constructor === Object ? "Object" : n(e) || "Object";
}
function n(t) {
	let n = Object.prototype.toString.call(t).slice(8, -1);
	if (e.includes(n)) return n;
}
// node_modules/cborg/lib/token.js
var r = class {
	constructor(e, t, n) {
		this.major = e, this.majorEncoded = e << 5, this.name = t, this.terminal = n;
	}
	toString() {
		return `Type[${this.major}].${this.name}`;
	}
	compare(e) {
		return this.major < e.major ? -1 : +(this.major > e.major);
	}
	static equals(e, t) {
		return e === t || e.major === t.major && e.name === t.name;
	}
};
r.uint = new r(0, "uint", !0), r.negint = new r(1, "negint", !0), r.bytes = new r(2, "bytes", !0), r.string = new r(3, "string", !0), r.array = new r(4, "array", !1), r.map = new r(5, "map", !1), r.tag = new r(6, "tag", !1), r.float = new r(7, "float", !0), r.false = new r(7, "false", !0), r.true = new r(7, "true", !0), r.null = new r(7, "null", !0), r.undefined = new r(7, "undefined", !0), r.break = new r(7, "break", !0);
var i = class {
	constructor(e, t, n) {
		this.type = e, this.value = t, this.encodedLength = n, this.encodedBytes = void 0, this.byteValue = void 0;
	}
	toString() {
		return `Token[${this.type}].${this.value}`;
	}
}, a = globalThis.process && !globalThis.process.browser && globalThis.Buffer && typeof globalThis.Buffer.isBuffer == "function", o = new TextEncoder();
function s(e) {
	return a && globalThis.Buffer.isBuffer(e);
}
function c(e) {
	return e instanceof Uint8Array ? s(e) ? new Uint8Array(e.buffer, e.byteOffset, e.byteLength) : e : Uint8Array.from(e);
}
var l = 24, u = 200, d = a ? (e) => e.length >= l ? globalThis.Buffer.from(e) : _(e) : (e) => e.length >= u ? o.encode(e) : _(e), f = (e) => Uint8Array.from(e), p = a ? (e, t, n) => s(e) ? new Uint8Array(e.subarray(t, n)) : e.slice(t, n) : (e, t, n) => e.slice(t, n), m = a ? (e, t) => (e = e.map((e) => e instanceof Uint8Array ? e : globalThis.Buffer.from(e)), c(globalThis.Buffer.concat(e, t))) : (e, t) => {
	let n = new Uint8Array(t), r = 0;
	for (let t of e) r + t.length > n.length && (t = t.subarray(0, n.length - r)), n.set(t, r), r += t.length;
	return n;
}, h = a ? (e) => globalThis.Buffer.allocUnsafe(e) : (e) => new Uint8Array(e);
function g(e, t) {
	if (s(e) && s(t)) return e.compare(t);
	for (let n = 0; n < e.length; n++) if (e[n] !== t[n]) return e[n] < t[n] ? -1 : 1;
	return 0;
}
function _(e) {
	let t = [], n = 0;
	for (let r = 0; r < e.length; r++) {
		let i = e.charCodeAt(r);
		i < 128 ? t[n++] = i : i < 2048 ? (t[n++] = i >> 6 | 192, t[n++] = i & 63 | 128) : (i & 64512) == 55296 && r + 1 < e.length && (e.charCodeAt(r + 1) & 64512) == 56320 ? (i = 65536 + ((i & 1023) << 10) + (e.charCodeAt(++r) & 1023), t[n++] = i >> 18 | 240, t[n++] = i >> 12 & 63 | 128, t[n++] = i >> 6 & 63 | 128, t[n++] = i & 63 | 128) : (i >= 55296 && i <= 57343 && (i = 65533), t[n++] = i >> 12 | 224, t[n++] = i >> 6 & 63 | 128, t[n++] = i & 63 | 128);
	}
	return t;
}
// node_modules/cborg/lib/bl.js
var v = 256, y = class {
	constructor(e = v) {
		this.chunkSize = e, this.cursor = 0, this.maxCursor = -1, this.chunks = [], this._initReuseChunk = null;
	}
	reset() {
		this.cursor = 0, this.maxCursor = -1, this.chunks.length && (this.chunks = []), this._initReuseChunk !== null && (this.chunks.push(this._initReuseChunk), this.maxCursor = this._initReuseChunk.length - 1);
	}
	pushByte(e) {
		let t = this.chunks[this.chunks.length - 1];
		this.cursor > this.maxCursor && (t = h(this.chunkSize), this.chunks.push(t), this.maxCursor += t.length, this._initReuseChunk === null && (this._initReuseChunk = t));
		let n = t.length - (this.maxCursor - this.cursor) - 1;
		t[n] = e, this.cursor++;
	}
	push(e) {
		let t = this.chunks[this.chunks.length - 1];
		if (this.cursor + e.length <= this.maxCursor + 1) {
			let n = t.length - (this.maxCursor - this.cursor) - 1;
			t.set(e, n);
		} else {
			if (t) {
				let e = t.length - (this.maxCursor - this.cursor) - 1;
				e < t.length && (this.chunks[this.chunks.length - 1] = t.subarray(0, e), this.maxCursor = this.cursor - 1);
			}
			e.length < 64 && e.length < this.chunkSize ? (t = h(this.chunkSize), this.chunks.push(t), this.maxCursor += t.length, this._initReuseChunk === null && (this._initReuseChunk = t), t.set(e, 0)) : (this.chunks.push(e), this.maxCursor += e.length);
		}
		this.cursor += e.length;
	}
	toBytes(e = !1) {
		let t;
		if (this.chunks.length === 1) {
			let n = this.chunks[0];
			e && this.cursor > n.length / 2 ? (t = this.cursor === n.length ? n : n.subarray(0, this.cursor), this._initReuseChunk = null, this.chunks = []) : t = p(n, 0, this.cursor);
		} else t = m(this.chunks, this.cursor);
		return e && this.reset(), t;
	}
}, b = class {
	constructor(e) {
		this.dest = e, this.cursor = 0, this.chunks = [e];
	}
	reset() {
		this.cursor = 0;
	}
	pushByte(e) {
		if (this.cursor >= this.dest.length) throw Error("write out of bounds, destination buffer is too small");
		this.dest[this.cursor++] = e;
	}
	push(e) {
		if (this.cursor + e.length > this.dest.length) throw Error("write out of bounds, destination buffer is too small");
		this.dest.set(e, this.cursor), this.cursor += e.length;
	}
	toBytes(e = !1) {
		let t = this.dest.subarray(0, this.cursor);
		return e && this.reset(), t;
	}
}, x = "CBOR decode error:", S = "CBOR encode error:";
function C(e, t, n) {
	if (e.length - t < n) throw Error(`${x} not enough data for type`);
}
// node_modules/cborg/lib/0uint.js
var w = [
	24,
	256,
	65536,
	4294967296,
	BigInt("18446744073709551616")
];
function T(e, t, n) {
	C(e, t, 1);
	let r = e[t];
	if (n.strict === !0 && r < w[0]) throw Error(`${x} integer encoded in more bytes than necessary (strict decode)`);
	return r;
}
function E(e, t, n) {
	C(e, t, 2);
	let r = e[t] << 8 | e[t + 1];
	if (n.strict === !0 && r < w[1]) throw Error(`${x} integer encoded in more bytes than necessary (strict decode)`);
	return r;
}
function ee(e, t, n) {
	C(e, t, 4);
	let r = e[t] * 16777216 + (e[t + 1] << 16) + (e[t + 2] << 8) + e[t + 3];
	if (n.strict === !0 && r < w[2]) throw Error(`${x} integer encoded in more bytes than necessary (strict decode)`);
	return r;
}
function D(e, t, n) {
	C(e, t, 8);
	let r = e[t] * 16777216 + (e[t + 1] << 16) + (e[t + 2] << 8) + e[t + 3], i = e[t + 4] * 16777216 + (e[t + 5] << 16) + (e[t + 6] << 8) + e[t + 7], a = (BigInt(r) << BigInt(32)) + BigInt(i);
	if (n.strict === !0 && a < w[3]) throw Error(`${x} integer encoded in more bytes than necessary (strict decode)`);
	if (a <= 2 ** 53 - 1) return Number(a);
	if (n.allowBigInt === !0) return a;
	throw Error(`${x} integers outside of the safe integer range are not supported`);
}
function te(e, t, n, a) {
	return new i(r.uint, T(e, t + 1, a), 2);
}
function ne(e, t, n, a) {
	return new i(r.uint, E(e, t + 1, a), 3);
}
function re(e, t, n, a) {
	return new i(r.uint, ee(e, t + 1, a), 5);
}
function ie(e, t, n, a) {
	return new i(r.uint, D(e, t + 1, a), 9);
}
function ae(e, t) {
	return O(e, 0, t.value);
}
function O(e, t, n) {
	if (n < w[0]) {
		let r = Number(n);
		e.pushByte(t | r);
	} else if (n < w[1]) {
		let r = Number(n);
		e.push([t | 24, r]);
	} else if (n < w[2]) {
		let r = Number(n);
		e.push([
			t | 25,
			r >>> 8,
			r & 255
		]);
	} else if (n < w[3]) {
		let r = Number(n);
		e.push([
			t | 26,
			r >>> 24 & 255,
			r >>> 16 & 255,
			r >>> 8 & 255,
			r & 255
		]);
	} else {
		let r = BigInt(n);
		if (r < w[4]) {
			let n = [
				t | 27,
				0,
				0,
				0,
				0,
				0,
				0,
				0
			], i = Number(r & BigInt(4294967295)), a = Number(r >> BigInt(32) & BigInt(4294967295));
			n[8] = i & 255, i >>= 8, n[7] = i & 255, i >>= 8, n[6] = i & 255, i >>= 8, n[5] = i & 255, n[4] = a & 255, a >>= 8, n[3] = a & 255, a >>= 8, n[2] = a & 255, a >>= 8, n[1] = a & 255, e.push(n);
		} else throw Error(`${x} encountered BigInt larger than allowable range`);
	}
}
ae.encodedSize = function(e) {
	return O.encodedSize(e.value);
}, O.encodedSize = function(e) {
	return e < w[0] ? 1 : e < w[1] ? 2 : e < w[2] ? 3 : e < w[3] ? 5 : 9;
}, ae.compareTokens = function(e, t) {
	return e.value < t.value ? -1 : +(e.value > t.value);
};
// node_modules/cborg/lib/1negint.js
function oe(e, t, n, a) {
	return new i(r.negint, -1 - T(e, t + 1, a), 2);
}
function se(e, t, n, a) {
	return new i(r.negint, -1 - E(e, t + 1, a), 3);
}
function ce(e, t, n, a) {
	return new i(r.negint, -1 - ee(e, t + 1, a), 5);
}
var le = BigInt(-1), ue = BigInt(1);
function de(e, t, n, a) {
	let o = D(e, t + 1, a);
	if (typeof o != "bigint") {
		let e = -1 - o;
		if (e >= -(2 ** 53 - 1)) return new i(r.negint, e, 9);
	}
	if (a.allowBigInt !== !0) throw Error(`${x} integers outside of the safe integer range are not supported`);
	return new i(r.negint, le - BigInt(o), 9);
}
function fe(e, t) {
	let n = t.value, r = typeof n == "bigint" ? n * le - ue : n * -1 - 1;
	O(e, t.type.majorEncoded, r);
}
fe.encodedSize = function(e) {
	let t = e.value, n = typeof t == "bigint" ? t * le - ue : t * -1 - 1;
	return n < w[0] ? 1 : n < w[1] ? 2 : n < w[2] ? 3 : n < w[3] ? 5 : 9;
}, fe.compareTokens = function(e, t) {
	return e.value < t.value ? 1 : e.value > t.value ? -1 : 0;
};
// node_modules/cborg/lib/2bytes.js
function pe(e, t, n, a) {
	C(e, t, n + a);
	let o = e.slice(t + n, t + n + a);
	return new i(r.bytes, o, n + a);
}
function me(e, t, n, r) {
	return pe(e, t, 1, n);
}
function he(e, t, n, r) {
	return pe(e, t, 2, T(e, t + 1, r));
}
function ge(e, t, n, r) {
	return pe(e, t, 3, E(e, t + 1, r));
}
function _e(e, t, n, r) {
	return pe(e, t, 5, ee(e, t + 1, r));
}
function ve(e, t, n, r) {
	let i = D(e, t + 1, r);
	if (typeof i == "bigint") throw Error(`${x} 64-bit integer bytes lengths not supported`);
	return pe(e, t, 9, i);
}
function ye(e) {
	return e.encodedBytes === void 0 && (e.encodedBytes = r.equals(e.type, r.string) ? d(e.value) : e.value), e.encodedBytes;
}
function be(e, t) {
	let n = ye(t);
	O(e, t.type.majorEncoded, n.length), e.push(n);
}
be.encodedSize = function(e) {
	let t = ye(e);
	return O.encodedSize(t.length) + t.length;
}, be.compareTokens = function(e, t) {
	return xe(ye(e), ye(t));
};
function xe(e, t) {
	return e.length < t.length ? -1 : e.length > t.length ? 1 : g(e, t);
}
// node_modules/cborg/lib/3string.js
var Se = new TextDecoder(), Ce = 32;
function we(e, t, n) {
	if (n - t < Ce) {
		let r = "";
		for (let i = t; i < n; i++) {
			let a = e[i];
			if (a & 128) return Se.decode(e.subarray(t, n));
			r += String.fromCharCode(a);
		}
		return r;
	}
	return Se.decode(e.subarray(t, n));
}
function Te(e, t, n, a, o) {
	let s = n + a;
	C(e, t, s);
	let c = new i(r.string, we(e, t + n, t + s), s);
	return o.retainStringBytes === !0 && (c.byteValue = e.slice(t + n, t + s)), c;
}
function Ee(e, t, n, r) {
	return Te(e, t, 1, n, r);
}
function De(e, t, n, r) {
	return Te(e, t, 2, T(e, t + 1, r), r);
}
function Oe(e, t, n, r) {
	return Te(e, t, 3, E(e, t + 1, r), r);
}
function ke(e, t, n, r) {
	return Te(e, t, 5, ee(e, t + 1, r), r);
}
function Ae(e, t, n, r) {
	let i = D(e, t + 1, r);
	if (typeof i == "bigint") throw Error(`${x} 64-bit integer string lengths not supported`);
	return Te(e, t, 9, i, r);
}
var je = be;
// node_modules/cborg/lib/4array.js
function Me(e, t, n, a) {
	return new i(r.array, a, n);
}
function Ne(e, t, n, r) {
	return Me(e, t, 1, n);
}
function Pe(e, t, n, r) {
	return Me(e, t, 2, T(e, t + 1, r));
}
function Fe(e, t, n, r) {
	return Me(e, t, 3, E(e, t + 1, r));
}
function Ie(e, t, n, r) {
	return Me(e, t, 5, ee(e, t + 1, r));
}
function Le(e, t, n, r) {
	let i = D(e, t + 1, r);
	if (typeof i == "bigint") throw Error(`${x} 64-bit integer array lengths not supported`);
	return Me(e, t, 9, i);
}
function Re(e, t, n, r) {
	if (r.allowIndefinite === !1) throw Error(`${x} indefinite length items not allowed`);
	return Me(e, t, 1, Infinity);
}
function ze(e, t) {
	O(e, r.array.majorEncoded, t.value);
}
ze.compareTokens = ae.compareTokens, ze.encodedSize = function(e) {
	return O.encodedSize(e.value);
};
// node_modules/cborg/lib/5map.js
function Be(e, t, n, a) {
	return new i(r.map, a, n);
}
function Ve(e, t, n, r) {
	return Be(e, t, 1, n);
}
function He(e, t, n, r) {
	return Be(e, t, 2, T(e, t + 1, r));
}
function Ue(e, t, n, r) {
	return Be(e, t, 3, E(e, t + 1, r));
}
function We(e, t, n, r) {
	return Be(e, t, 5, ee(e, t + 1, r));
}
function Ge(e, t, n, r) {
	let i = D(e, t + 1, r);
	if (typeof i == "bigint") throw Error(`${x} 64-bit integer map lengths not supported`);
	return Be(e, t, 9, i);
}
function Ke(e, t, n, r) {
	if (r.allowIndefinite === !1) throw Error(`${x} indefinite length items not allowed`);
	return Be(e, t, 1, Infinity);
}
function qe(e, t) {
	O(e, r.map.majorEncoded, t.value);
}
qe.compareTokens = ae.compareTokens, qe.encodedSize = function(e) {
	return O.encodedSize(e.value);
};
// node_modules/cborg/lib/6tag.js
function Je(e, t, n, a) {
	return new i(r.tag, n, 1);
}
function Ye(e, t, n, a) {
	return new i(r.tag, T(e, t + 1, a), 2);
}
function Xe(e, t, n, a) {
	return new i(r.tag, E(e, t + 1, a), 3);
}
function Ze(e, t, n, a) {
	return new i(r.tag, ee(e, t + 1, a), 5);
}
function Qe(e, t, n, a) {
	return new i(r.tag, D(e, t + 1, a), 9);
}
function $e(e, t) {
	O(e, r.tag.majorEncoded, t.value);
}
$e.compareTokens = ae.compareTokens, $e.encodedSize = function(e) {
	return O.encodedSize(e.value);
};
function et(e, t, n, a) {
	if (a.allowUndefined === !1) throw Error(`${x} undefined values are not supported`);
	return a.coerceUndefinedToNull === !0 ? new i(r.null, null, 1) : new i(r.undefined, void 0, 1);
}
function tt(e, t, n, a) {
	if (a.allowIndefinite === !1) throw Error(`${x} indefinite length items not allowed`);
	return new i(r.break, void 0, 1);
}
function nt(e, t, n) {
	if (n) {
		if (n.allowNaN === !1 && Number.isNaN(e)) throw Error(`${x} NaN values are not supported`);
		if (n.allowInfinity === !1 && (e === Infinity || e === -Infinity)) throw Error(`${x} Infinity values are not supported`);
	}
	return new i(r.float, e, t);
}
function rt(e, t, n, r) {
	return nt(lt(e, t + 1), 3, r);
}
function it(e, t, n, r) {
	return nt(dt(e, t + 1), 5, r);
}
function at(e, t, n, r) {
	return nt(pt(e, t + 1), 9, r);
}
function ot(e, t, n) {
	let i = t.value;
	if (i === !1) e.pushByte(r.float.majorEncoded | 20);
	else if (i === !0) e.pushByte(r.float.majorEncoded | 21);
	else if (i === null) e.pushByte(r.float.majorEncoded | 22);
	else if (i === void 0) e.pushByte(r.float.majorEncoded | 23);
	else {
		let t, r = !1;
		n && n.float64 === !0 || (ct(i), t = lt(A, 1), i === t || Number.isNaN(i) ? (A[0] = 249, e.push(A.slice(0, 3)), r = !0) : (ut(i), t = dt(A, 1), i === t && (A[0] = 250, e.push(A.slice(0, 5)), r = !0))), r || (ft(i), t = pt(A, 1), A[0] = 251, e.push(A.slice(0, 9)));
	}
}
ot.encodedSize = function(e, t) {
	let n = e.value;
	if (n === !1 || n === !0 || n == null) return 1;
	if (!t || t.float64 !== !0) {
		ct(n);
		let e = lt(A, 1);
		if (n === e || Number.isNaN(n)) return 3;
		if (ut(n), e = dt(A, 1), n === e) return 5;
	}
	return 9;
};
var st = /* @__PURE__ */ new ArrayBuffer(9), k = new DataView(st, 1), A = new Uint8Array(st, 0);
function ct(e) {
	if (e === Infinity) k.setUint16(0, 31744, !1);
	else if (e === -Infinity) k.setUint16(0, 64512, !1);
	else if (Number.isNaN(e)) k.setUint16(0, 32256, !1);
	else {
		k.setFloat32(0, e);
		let t = k.getUint32(0), n = (t & 2139095040) >> 23, r = t & 8388607;
		if (n === 255) k.setUint16(0, 31744, !1);
		else if (n === 0) k.setUint16(0, (t & 2147483648) >> 16 | r >> 13, !1);
		else {
			let e = n - 127;
			e < -24 ? k.setUint16(0, 0) : e < -14 ? k.setUint16(0, (t & 2147483648) >> 16 | 1 << 24 + e, !1) : k.setUint16(0, (t & 2147483648) >> 16 | e + 15 << 10 | r >> 13, !1);
		}
	}
}
function lt(e, t) {
	if (e.length - t < 2) throw Error(`${x} not enough data for float16`);
	let n = (e[t] << 8) + e[t + 1];
	if (n === 31744) return Infinity;
	if (n === 64512) return -Infinity;
	if (n === 32256) return NaN;
	let r = n >> 10 & 31, i = n & 1023, a;
	return a = r === 0 ? i * 2 ** -24 : r === 31 ? i === 0 ? Infinity : NaN : (i + 1024) * 2 ** (r - 25), n & 32768 ? -a : a;
}
function ut(e) {
	k.setFloat32(0, e, !1);
}
function dt(e, t) {
	if (e.length - t < 4) throw Error(`${x} not enough data for float32`);
	let n = (e.byteOffset || 0) + t;
	return new DataView(e.buffer, n, 4).getFloat32(0, !1);
}
function ft(e) {
	k.setFloat64(0, e, !1);
}
function pt(e, t) {
	if (e.length - t < 8) throw Error(`${x} not enough data for float64`);
	let n = (e.byteOffset || 0) + t;
	return new DataView(e.buffer, n, 8).getFloat64(0, !1);
}
function mt(e, t) {
	let n = e.value;
	if (n === !1) return Uint8Array.of(r.float.majorEncoded | 20);
	if (n === !0) return Uint8Array.of(r.float.majorEncoded | 21);
	if (n === null) return Uint8Array.of(r.float.majorEncoded | 22);
	if (n === void 0) return Uint8Array.of(r.float.majorEncoded | 23);
	if (!t) {
		if (ct(n), n === lt(A, 1) || Number.isNaN(n)) return A[0] = 249, A.slice(0, 3);
		if (ut(n), n === dt(A, 1)) return A[0] = 250, A.slice(0, 5);
	}
	return ft(n), A[0] = 251, A.slice(0, 9);
}
function ht(e, t) {
	let n = e, r = t?.float64 === !0, i = r ? n._keyBytesFloat64 : n._keyBytes;
	if (i !== void 0) return i;
	let a = mt(e, r);
	return r ? n._keyBytesFloat64 = a : n._keyBytes = a, a;
}
ot.compareTokens = function(e, t, n) {
	let r = ht(e, n), i = ht(t, n);
	return r.length === i.length ? g(r, i) : r.length < i.length ? -1 : 1;
};
// node_modules/cborg/lib/jump.js
function j(e, t, n) {
	throw Error(`${x} encountered invalid minor (${n}) for major ${e[t] >>> 5}`);
}
function gt(e) {
	return () => {
		throw Error(`${x} ${e}`);
	};
}
var M = [];
for (let e = 0; e <= 23; e++) M[e] = j;
M[24] = te, M[25] = ne, M[26] = re, M[27] = ie, M[28] = j, M[29] = j, M[30] = j, M[31] = j;
for (let e = 32; e <= 55; e++) M[e] = j;
M[56] = oe, M[57] = se, M[58] = ce, M[59] = de, M[60] = j, M[61] = j, M[62] = j, M[63] = j;
for (let e = 64; e <= 87; e++) M[e] = me;
M[88] = he, M[89] = ge, M[90] = _e, M[91] = ve, M[92] = j, M[93] = j, M[94] = j, M[95] = gt("indefinite length bytes/strings are not supported");
for (let e = 96; e <= 119; e++) M[e] = Ee;
M[120] = De, M[121] = Oe, M[122] = ke, M[123] = Ae, M[124] = j, M[125] = j, M[126] = j, M[127] = gt("indefinite length bytes/strings are not supported");
for (let e = 128; e <= 151; e++) M[e] = Ne;
M[152] = Pe, M[153] = Fe, M[154] = Ie, M[155] = Le, M[156] = j, M[157] = j, M[158] = j, M[159] = Re;
for (let e = 160; e <= 183; e++) M[e] = Ve;
M[184] = He, M[185] = Ue, M[186] = We, M[187] = Ge, M[188] = j, M[189] = j, M[190] = j, M[191] = Ke;
for (let e = 192; e <= 215; e++) M[e] = Je;
M[216] = Ye, M[217] = Xe, M[218] = Ze, M[219] = Qe, M[220] = j, M[221] = j, M[222] = j, M[223] = j;
for (let e = 224; e <= 243; e++) M[e] = gt("simple values are not supported");
M[244] = j, M[245] = j, M[246] = j, M[247] = et, M[248] = gt("simple values are not supported"), M[249] = rt, M[250] = it, M[251] = at, M[252] = j, M[253] = j, M[254] = j, M[255] = tt;
var N = [];
for (let e = 0; e < 24; e++) N[e] = new i(r.uint, e, 1);
for (let e = -1; e >= -24; e--) N[31 - e] = new i(r.negint, e, 1);
N[64] = new i(r.bytes, /* @__PURE__ */ new Uint8Array(), 1), N[96] = new i(r.string, "", 1), N[128] = new i(r.array, 0, 1), N[160] = new i(r.map, 0, 1), N[244] = new i(r.false, !1, 1), N[245] = new i(r.true, !0, 1), N[246] = new i(r.null, null, 1);
function _t(e) {
	switch (e.type) {
		case r.false: return f([244]);
		case r.true: return f([245]);
		case r.null: return f([246]);
		case r.bytes: return e.value.length ? void 0 : f([64]);
		case r.string: return e.value === "" ? f([96]) : void 0;
		case r.array: return e.value === 0 ? f([128]) : void 0;
		case r.map: return e.value === 0 ? f([160]) : void 0;
		case r.uint: return e.value < 24 ? f([Number(e.value)]) : void 0;
		case r.negint: if (e.value >= -24) return f([31 - Number(e.value)]);
	}
}
// node_modules/cborg/lib/encode.js
var vt = {
	float64: !1,
	mapSorter: Dt,
	quickEncodeToken: _t
}, yt = Object.freeze({
	mapSorter: Ot,
	quickEncodeToken: _t
});
function bt() {
	let e = [];
	return e[r.uint.major] = ae, e[r.negint.major] = fe, e[r.bytes.major] = be, e[r.string.major] = je, e[r.array.major] = ze, e[r.map.major] = qe, e[r.tag.major] = $e, e[r.float.major] = ot, e;
}
var xt = bt(), St = new y(), Ct = class e {
	constructor(e, t) {
		this.obj = e, this.parent = t;
	}
	includes(e) {
		let t = this;
		do
			if (t.obj === e) return !0;
		while (t = t.parent);
		return !1;
	}
	static createCheck(t, n) {
		if (t && t.includes(n)) throw Error(`${S} object contains circular references`);
		return new e(n, t);
	}
}, wt = {
	null: new i(r.null, null),
	undefined: new i(r.undefined, void 0),
	true: new i(r.true, !0),
	false: new i(r.false, !1),
	emptyArray: new i(r.array, 0),
	emptyMap: new i(r.map, 0)
}, P = {
	number(e, t, n, a) {
		return !Number.isInteger(e) || !Number.isSafeInteger(e) ? new i(r.float, e) : e >= 0 ? new i(r.uint, e) : new i(r.negint, e);
	},
	bigint(e, t, n, a) {
		return e >= BigInt(0) ? new i(r.uint, e) : new i(r.negint, e);
	},
	Uint8Array(e, t, n, a) {
		return new i(r.bytes, e);
	},
	string(e, t, n, a) {
		return new i(r.string, e);
	},
	boolean(e, t, n, r) {
		return e ? wt.true : wt.false;
	},
	null(e, t, n, r) {
		return wt.null;
	},
	undefined(e, t, n, r) {
		return wt.undefined;
	},
	ArrayBuffer(e, t, n, a) {
		return new i(r.bytes, new Uint8Array(e));
	},
	DataView(e, t, n, a) {
		return new i(r.bytes, new Uint8Array(e.buffer, e.byteOffset, e.byteLength));
	},
	Array(e, t, n, a) {
		if (!e.length) return n.addBreakTokens === !0 ? [wt.emptyArray, new i(r.break)] : wt.emptyArray;
		a = Ct.createCheck(a, e);
		let o = [], s = 0;
		for (let t of e) o[s++] = Tt(t, n, a);
		return n.addBreakTokens ? [
			new i(r.array, e.length),
			o,
			new i(r.break)
		] : [new i(r.array, e.length), o];
	},
	Object(e, t, n, a) {
		let o = t !== "Object", s = o ? e.keys() : Object.keys(e), c = o ? e.size : s.length, l;
		if (c) {
			l = Array(c), a = Ct.createCheck(a, e);
			let t = !o && n.ignoreUndefinedProperties, r = 0;
			for (let i of s) {
				let s = o ? e.get(i) : e[i];
				t && s === void 0 || (l[r++] = [Tt(i, n, a), Tt(s, n, a)]);
			}
			r < c && (l.length = r);
		}
		return l?.length ? (Et(l, n), n.addBreakTokens ? [
			new i(r.map, l.length),
			l,
			new i(r.break)
		] : [new i(r.map, l.length), l]) : n.addBreakTokens === !0 ? [wt.emptyMap, new i(r.break)] : wt.emptyMap;
	},
	Tagged(e, t, n, a) {
		return [new i(r.tag, e.tag), Tt(e.value, n, a)];
	}
};
P.Map = P.Object, P.Buffer = P.Uint8Array;
for (let e of "Uint8Clamped Uint16 Uint32 Int8 Int16 Int32 BigUint64 BigInt64 Float32 Float64".split(" ")) P[`${e}Array`] = P.DataView;
function Tt(e, n = {}, r) {
	let i = t(e), a = n && n.typeEncoders && n.typeEncoders[i] || P[i];
	if (typeof a == "function") {
		let t = a(e, i, n, r);
		if (t != null) return t;
	}
	let o = P[i];
	if (!o) throw Error(`${S} unsupported type: ${i}`);
	return o(e, i, n, r);
}
function Et(e, t) {
	let n = t.mapSorter;
	n && e.sort((e, r) => n(e, r, t));
}
function Dt(e, t, n) {
	let r = Array.isArray(e[0]) ? e[0][0] : e[0], i = Array.isArray(t[0]) ? t[0][0] : t[0];
	if (r.type.major !== i.type.major) return r.type.compare(i.type);
	let a = xt[r.type.major].compareTokens(r, i, n);
	return a === 0 && console.warn("WARNING: complex key types used, CBOR key sorting guarantees are gone"), a;
}
function Ot(e, t) {
	if (e[0] instanceof i && t[0] instanceof i) {
		let n = e[0], r = t[0];
		return n._keyBytes ||= kt(n.value), r._keyBytes ||= kt(r.value), g(n._keyBytes, r._keyBytes);
	}
	throw Error("rfc8949MapSorter: complex key types are not supported yet");
}
function kt(e) {
	return qt(e, xt, yt);
}
function At(e, t, n, r) {
	if (Array.isArray(t)) for (let i of t) At(e, i, n, r);
	else n[t.type.major](e, t, r);
}
var jt = r.uint.majorEncoded, Mt = r.negint.majorEncoded, Nt = r.bytes.majorEncoded, Pt = r.string.majorEncoded, Ft = r.array.majorEncoded, It = r.map.majorEncoded, Lt = r.float.majorEncoded | 20, Rt = r.float.majorEncoded | 21, zt = r.float.majorEncoded | 22, Bt = r.float.majorEncoded | 23, Vt = BigInt(-1), Ht = BigInt(1);
function Ut(e, t, n) {
	n < 24 ? e.pushByte(t | Number(n)) : O(e, t, n);
}
function Wt(e) {
	return e.addBreakTokens !== !0;
}
function Gt(e, t, n, r, i) {
	let a = n === "Map", o = a ? t.keys() : Object.keys(t), s = a ? t.size : o.length;
	if (!s) {
		e.pushByte(It);
		return;
	}
	i = Ct.createCheck(i, t);
	let c = !a && r.ignoreUndefinedProperties, l = Array(s), u = 0;
	for (let e of o) {
		let n = a ? t.get(e) : t[e];
		c && n === void 0 || (l[u++] = [Tt(e, r, i), n]);
	}
	if (u === 0) e.pushByte(It);
	else {
		u < s && (l.length = u), l.sort((e, t) => Dt(e, t, r)), Ut(e, It, u);
		for (let [t, n] of l) At(e, t, xt, r), Kt(e, n, r, i);
	}
}
function Kt(e, n, a, o) {
	let s = t(n), c = a.typeEncoders && a.typeEncoders[s];
	if (c) {
		let t = c(n, s, a, o);
		if (t != null) {
			At(e, t, xt, a);
			return;
		}
	}
	switch (s) {
		case "null":
			e.pushByte(zt);
			return;
		case "undefined":
			e.pushByte(Bt);
			return;
		case "boolean":
			e.pushByte(n ? Rt : Lt);
			return;
		case "number":
			!Number.isInteger(n) || !Number.isSafeInteger(n) ? ot(e, new i(r.float, n), a) : n >= 0 ? Ut(e, jt, n) : Ut(e, Mt, n * -1 - 1);
			return;
		case "bigint":
			n >= BigInt(0) ? Ut(e, jt, n) : Ut(e, Mt, n * Vt - Ht);
			return;
		case "string": {
			let t = d(n);
			Ut(e, Pt, t.length), e.push(t);
			return;
		}
		case "Uint8Array":
			Ut(e, Nt, n.length), e.push(n);
			return;
		case "Array":
			if (!n.length) {
				e.pushByte(Ft);
				return;
			}
			o = Ct.createCheck(o, n), Ut(e, Ft, n.length);
			for (let t of n) Kt(e, t, a, o);
			return;
		case "Object":
		case "Map":
			a.mapSorter === Dt ? Gt(e, n, s, a, o) : At(e, P.Object(n, s, a, o), xt, a);
			return;
		default: {
			let t = P[s];
			if (!t) throw Error(`${S} unsupported type: ${s}`);
			At(e, t(n, s, a, o), xt, a);
		}
	}
}
function qt(e, t, n, r) {
	let i = r instanceof Uint8Array, a = i ? new b(r) : St, o = Tt(e, n);
	if (!Array.isArray(o) && n.quickEncodeToken) {
		let e = n.quickEncodeToken(o);
		if (e) return i ? (a.push(e), a.toBytes()) : e;
		let r = t[o.type.major];
		if (r.encodedSize) {
			let e = r.encodedSize(o, n);
			if (i || (a = new y(e)), r(a, o, n), a.chunks.length !== 1) throw Error(`Unexpected error: pre-calculated length for ${o} was wrong`);
			return i ? a.toBytes() : c(a.chunks[0]);
		}
	}
	return a.reset(), At(a, o, t, n), a.toBytes(!0);
}
function Jt(e, t) {
	return t = Object.assign({}, vt, t), Wt(t) ? (St.reset(), Kt(St, e, t, void 0), St.toBytes(!0)) : qt(e, xt, t);
}
// node_modules/cborg/lib/decode.js
var Yt = {
	strict: !1,
	allowIndefinite: !0,
	allowUndefined: !0,
	allowBigInt: !0
}, Xt = class {
	constructor(e, t = {}) {
		this._pos = 0, this.data = e, this.options = t;
	}
	pos() {
		return this._pos;
	}
	done() {
		return this._pos >= this.data.length;
	}
	next() {
		let e = this.data[this._pos], t = N[e];
		if (t === void 0) {
			let n = M[e];
			if (!n) throw Error(`${x} no decoder for major type ${e >>> 5} (byte 0x${e.toString(16).padStart(2, "0")})`);
			let r = e & 31;
			t = n(this.data, this._pos, r, this.options);
		}
		return this._pos += t.encodedLength, t;
	}
}, Zt = Symbol.for("DONE"), Qt = Symbol.for("BREAK");
function $t(e, t, n) {
	let r = [];
	for (let i = 0; i < e.value; i++) {
		let a = rn(t, n);
		if (a === Qt) {
			if (e.value === Infinity) break;
			throw Error(`${x} got unexpected break to lengthed array`);
		}
		if (a === Zt) throw Error(`${x} found array but not enough entries (got ${i}, expected ${e.value})`);
		r[i] = a;
	}
	return r;
}
function en(e, t, n) {
	let r = n.useMaps === !0, i = n.rejectDuplicateMapKeys === !0, a = r ? void 0 : {}, o = r ? /* @__PURE__ */ new Map() : void 0;
	for (let s = 0; s < e.value; s++) {
		let c = rn(t, n);
		if (c === Qt) {
			if (e.value === Infinity) break;
			throw Error(`${x} got unexpected break to lengthed map`);
		}
		if (c === Zt) throw Error(`${x} found map but not enough entries (got ${s} [no key], expected ${e.value})`);
		if (!r && typeof c != "string") throw Error(`${x} non-string keys not supported (got ${typeof c})`);
		if (i && (r && o.has(c) || !r && Object.hasOwn(a, c))) throw Error(`${x} found repeat map key "${c}"`);
		let l = rn(t, n);
		if (l === Zt) throw Error(`${x} found map but not enough entries (got ${s} [no value], expected ${e.value})`);
		r ? o.set(c, l) : c === "__proto__" ? Object.defineProperty(a, c, {
			value: l,
			configurable: !0,
			enumerable: !0,
			writable: !0
		}) : a[c] = l;
	}
	return r ? o : a;
}
function* tn(e, t, n) {
	for (let r = 0; r < e.value; r++) {
		let i = rn(t, n);
		if (i === Qt) {
			if (e.value === Infinity) break;
			throw Error(`${x} got unexpected break to lengthed map`);
		}
		if (i === Zt) throw Error(`${x} found map but not enough entries (got ${r} [no key], expected ${e.value})`);
		let a = rn(t, n);
		if (a === Zt) throw Error(`${x} found map but not enough entries (got ${r} [no value], expected ${e.value})`);
		yield [i, a];
	}
}
function nn(e, t) {
	let n = function() {
		if (n._called) throw Error(`${x} tag decode() may only be called once`);
		n._called = !0;
		let r = rn(e, t);
		if (r === Zt) throw Error(`${x} tag content missing`);
		if (r === Qt) throw Error(`${x} got unexpected break in tag content`);
		return r;
	};
	return n.entries = function() {
		if (n._called) throw Error(`${x} tag decode() may only be called once`);
		n._called = !0;
		let i = e.next();
		if (!r.equals(i.type, r.map)) throw Error(`${x} entries() requires map content, got ${i.type.name}`);
		let a = [];
		for (let n of tn(i, e, t)) a.push(n);
		return a;
	}, n._called = !1, n;
}
function rn(e, t) {
	if (e.done()) return Zt;
	let n = e.next();
	if (r.equals(n.type, r.break)) return Qt;
	if (n.type.terminal) return n.value;
	if (r.equals(n.type, r.array)) return $t(n, e, t);
	if (r.equals(n.type, r.map)) return en(n, e, t);
	if (r.equals(n.type, r.tag)) {
		if (t.tags && typeof t.tags[n.value] == "function") {
			let r = nn(e, t), i = t.tags[n.value](r);
			if (!r._called) throw Error(`${x} tag decoder must call decode() or entries()`);
			return i;
		}
		throw Error(`${x} tag not supported (${n.value})`);
	}
	throw Error("unsupported");
}
function an(e, t) {
	if (!(e instanceof Uint8Array)) throw Error(`${x} data to decode must be a Uint8Array`);
	t = Object.assign({}, Yt, t);
	let n = c(e), r = t.tokenizer || new Xt(n, t), i = rn(r, t);
	if (i === Zt) throw Error(`${x} did not find any content to decode`);
	if (i === Qt) throw Error(`${x} got unexpected break`);
	return [i, e.subarray(r.pos())];
}
function on(e, t) {
	let [n, r] = an(e, t);
	if (r.length > 0) throw Error(`${x} too many terminals, data makes no sense`);
	return n;
}
Object.defineProperty(class e {
	constructor(e, t) {
		if (typeof e != "number" || !Number.isInteger(e) || e < 0) throw TypeError("Tagged: tag must be a non-negative integer");
		this.tag = e, this.value = t;
	}
	static decoder(t) {
		return (n) => new e(t, n());
	}
	static preserve(...t) {
		let n = {};
		for (let r of t) n[r] = e.decoder(r);
		return n;
	}
}.prototype, Symbol.toStringTag, { value: "Tagged" });
// src/protocol/errors.ts
var F = class extends Error {
	name = "ProtocolError";
}, sn = class extends F {
	name = "UnknownSchema";
}, cn = 16777216, ln = 67108864, un = 67108864, dn = 4096, fn = 65536, pn = 1 << 20, mn = un / 32, hn = 16384, gn = 262144, _n = 1024, vn = 65536, yn = 1048576, bn = 65536, xn = 262144, Sn = (1n << 63n) - 1n, Cn = 6, wn = 262144, Tn = new TextDecoder("utf-8", {
	fatal: !0,
	ignoreBOM: !0
}), En = class {
	value;
	constructor(e) {
		this.value = e;
	}
}, Dn = {
	allowIndefinite: !1,
	allowUndefined: !1,
	allowBigInt: !0,
	strict: !1,
	useMaps: !0,
	rejectDuplicateMapKeys: !0,
	tags: {}
}, On = class extends Xt {
	bytes;
	maxDepth;
	maxItems;
	items = 0;
	open = [];
	constructor(e, t, n) {
		super(e, Dn), this.bytes = e, this.maxDepth = t, this.maxItems = n;
	}
	next() {
		if (++this.items > this.maxItems) throw new F(`more than ${this.maxItems} CBOR items`);
		for (; this.open.at(-1) === 0;) this.open.pop();
		this.open.length && --this.open[this.open.length - 1];
		let e = this.pos(), t = super.next();
		return t.type === r.array || t.type === r.map ? this.begin(t) : t.type === r.float ? t.value = new En(t.value) : t.type === r.string && this.checkText(e, t.value), t;
	}
	begin(e) {
		let t = e.value * (e.type === r.map ? 2 : 1);
		if (t > this.bytes.length - this.pos()) throw new F("CBOR collection longer than its payload");
		if (this.open.length >= this.maxDepth) throw new F(`CBOR nested deeper than ${this.maxDepth}`);
		this.open.push(t);
	}
	checkText(e, t) {
		t.includes("�") && Tn.decode(this.bytes.subarray(kn(this.bytes, e), this.pos()));
	}
};
function kn(e, t) {
	let n = e[t] & 31;
	return t + 1 + (n < 24 ? 0 : 1 << n - 24);
}
function An(e, t = {}) {
	let { maxBytes: n = cn, maxDepth: r = Cn, maxItems: i = wn } = t;
	if (e.length > n) throw new F(`payload of ${e.length} bytes is over the limit of ${n}`);
	try {
		return on(e, {
			...Dn,
			tokenizer: new On(e, r, i)
		});
	} catch (e) {
		throw e instanceof F ? e : new F(`not CBOR: ${String(e)}`);
	}
}
function jn(e) {
	return Jt(e, {
		float64: !0,
		mapSorter: () => 0,
		typeEncoders: { Object: (e) => e instanceof En ? [new i(r.float, e.value)] : null }
	});
}
function I(e, t) {
	if (!Array.isArray(e)) throw new F(`${t} is an array`);
	return e;
}
function L(e, t, n) {
	if (!(e instanceof Uint8Array) || n !== void 0 && e.length !== n) throw new F(`${t} is a byte string${n === void 0 ? "" : ` of ${n} bytes`}`);
	return e;
}
function Mn(e, t, n = _n) {
	if (typeof e != "string" || e.length > n && [...e].length > n) throw new F(`${t} is a text of at most ${n} characters`);
	return e;
}
function Nn(e, t) {
	if (typeof e == "bigint") return e;
	if (typeof e != "number") throw new F(`${t} is an integer`);
	return BigInt(e);
}
function R(e, t) {
	let n = Nn(e, t);
	if (n < 0n || n > Sn) throw new F(`${t} is a natural number below 2^63`);
	return n;
}
function z(e, t, n) {
	if (typeof e != "number" || e < 0 || e > n) throw new F(`${t} is a number from 0 to ${n}`);
	return e;
}
// src/protocol/reader.ts
var Pn = class {
	valueBytes = un;
	sampleBytes = un;
	stepsLeft = pn;
	exceptionsLeft = mn;
	values(e) {
		if (this.valueBytes -= e, this.valueBytes < 0) throw new F("samples unfold to more than a batch may hold");
	}
	foresee(e) {
		if (e > this.valueBytes) throw new F("samples unfold to more than a batch may hold");
	}
	samples(e) {
		if (this.sampleBytes -= e, this.sampleBytes < 0) throw new F("samples unfold to more than a batch may hold");
	}
	steps(e) {
		if (this.stepsLeft -= e, this.stepsLeft < 0) throw new F("samples take more work than a batch may cause");
	}
	exceptions(e) {
		if (this.exceptionsLeft -= e, this.exceptionsLeft < 0) throw new F("columns have more exceptions than a batch may");
	}
}, Fn = class {
	bytes;
	position = 0;
	constructor(e) {
		this.bytes = e;
	}
	get left() {
		return this.bytes.length - this.position;
	}
	take(e) {
		if (e > this.left) throw new F("bytes are cut off");
		return this.position += e, this.bytes.subarray(this.position - e, this.position);
	}
	peek() {
		if (this.position >= this.bytes.length) throw new F("bytes are cut off");
		return this.bytes[this.position];
	}
	byte() {
		if (this.position >= this.bytes.length) throw new F("bytes are cut off");
		return this.bytes[this.position++];
	}
	varint() {
		let e = 0, t = 1;
		for (;;) {
			let n = this.byte();
			if (e += (n & 127) * t, n < 128) {
				if (e > 2 ** 53 - 1) throw new F("a number is out of bounds");
				return e;
			}
			if (t *= 128, t > 2 ** 63) throw new F("a varint is too long");
		}
	}
	varint64() {
		let e = 0n;
		for (let t = 0n; t < 70n; t += 7n) {
			let n = this.byte();
			if (e |= BigInt(n & 127) << t, n < 128) {
				if (e >> 64n) break;
				return e;
			}
		}
		throw new F("a varint is too long");
	}
	zigzag64() {
		let e = this.varint64();
		return e & 1n ? ~(e >> 1n) : e >> 1n;
	}
}, In = class extends Fn {
	bits;
	bitsAt = 0;
	constructor(e) {
		super(/* @__PURE__ */ new Uint8Array()), this.bits = e;
	}
	begin(e) {
		this.bytes = e, this.position = 0;
	}
	takeBits(e) {
		let t = Math.ceil(e / 8);
		if (t > this.bits.length - this.bitsAt) throw new F("fewer packed numbers than columns");
		return this.bitsAt += t, this.bits.subarray(this.bitsAt - t, this.bitsAt);
	}
	get bitsLeft() {
		return this.bits.length - this.bitsAt;
	}
};
function Ln(e, t) {
	let n = [];
	if (e.forEach((e, t) => {
		for (let r = 0; r < 8; r++) e & 1 << r && n.push(8 * t + r);
	}), n.length && n.at(-1) >= t) throw new F("a mask has more bits than it may");
	return n;
}
var Rn = 2, zn = 3, Bn = 4, Vn = 8, Hn = 16, Un = 32, Wn = 64, Gn = 127, Kn = 1 << 20, qn = 4096, Jn = 32768, Yn = 64, Xn = 96, Zn = 22, Qn = Array.from({ length: 23 }, (e, t) => Number(`1e${t}`)), $n = Array.from({ length: 23 }, (e, t) => Number(`1e-${t}`));
function er(e, t, n) {
	return {
		predictor: e,
		flags: 0,
		size: t,
		scale: 0,
		base: 0n,
		exceptions: null,
		rows: null,
		stored: e === 0 ? n : n - 1,
		planes: null
	};
}
function tr(e, t, n, r, i, a, o) {
	let s = e.byte(), c = e.byte(), l = s & 3;
	if (s > Gn || s & Wn && !a) throw new F(`no such form of a column: ${s}`);
	if (l === zn && !(i > 1 && i < t)) throw new F("a column refers to rows that it does not have");
	if (c > (s & Bn ? 8 : 64)) throw new F("a column of more than 64 bits");
	let u = s & Hn ? e.byte() : 0;
	if (u >= Yn && (r !== "f" || u % 32 > Zn || u >= 128)) throw new F(`no such scale of a column: ${u}`);
	let d = l === Rn ? e.zigzag64() : 0n, f = s & Un ? nr(e, t, n, o) : null, p = l === 0 ? t : t - 1, m = null;
	if (s & Vn) {
		let n = Ln(e.take(t + 6 >> 3), t - 1);
		m = new Uint8Array(t), l === 0 && (m[0] = 1);
		for (let e of n) m[e + 1] = 1;
		p = n.length + m[0];
	}
	let h = s & Bn ? e.take(p * c) : null;
	return {
		predictor: l,
		flags: s,
		size: c,
		scale: u,
		base: d,
		exceptions: f,
		rows: m,
		stored: p,
		planes: h
	};
}
function nr(e, t, n, r) {
	let i = e.varint();
	if (i < 1 || i > t) throw new F("a column has fewer exceptions than rows");
	r.exceptions(i);
	let a = [], o = 0;
	for (let n = 0; n < i; n++) {
		let r = e.varint();
		if (o += r, o >= t) throw new F("an exception lies behind its column");
		if (n && !r) throw new F("two exceptions of one row");
		a.push(o);
	}
	let s = new Uint32Array(2 * i);
	return rr(e.take(i * n), s, (e) => e, i, n, n, 1), {
		rows: a,
		words: s
	};
}
function rr(e, t, n, r, i, a, o) {
	for (let s = 0; s < r; s++) {
		let r = 0, c = 0;
		for (let t = 0; t < i; t++) {
			let n = e[s * a + t * o];
			t < 4 ? r |= n << 8 * t : c |= n << 8 * t - 32;
		}
		t[2 * n(s)] = r, t[2 * n(s) + 1] = c;
	}
}
function ir(e, t, n) {
	let r = t.filter((e) => e.size && !e.planes), i = r.length * n <= Jn, a = i ? e.takeBits(r.reduce((e, t) => e + t.size * t.stored, 0)) : /* @__PURE__ */ new Uint8Array(), o = 0;
	return t.map((t) => {
		let r = new Uint32Array(2 * n), s = ar(t, n);
		if (t.planes) {
			let { stored: e, size: i } = t;
			rr(t.planes, r, (t) => s ? s[t] : t + n - e, e, i, 1, e);
		} else t.size && (i || (a = e.takeBits(t.size * t.stored), o = 0), o = or(a, o, t, r, s, n));
		return r;
	});
}
function ar(e, t) {
	if (!e.rows) return null;
	let n = new Int32Array(e.stored), r = 0;
	for (let i = 0; i < t; i++) e.rows[i] && (n[r++] = i);
	return n;
}
function or(e, t, n, r, i, a) {
	let { size: o, stored: s } = n, c = Math.min(o, 32), l = a - s, u = t;
	for (let t = 0; t < s; t++) {
		let n = 2 * (i ? i[t] : l + t);
		r[n] = sr(e, u, c), o > 32 && (r[n + 1] = sr(e, u + 32, o - 32)), u += o;
	}
	return u;
}
function sr(e, t, n) {
	let r = t >>> 3, i = t & 7, a = e[r];
	return i + n > 8 && (a |= e[r + 1] << 8), i + n > 16 && (a |= e[r + 2] << 16), i + n > 24 && (a |= e[r + 3] << 24), a >>>= i, i + n > 32 && (a |= e[r + 4] << 32 - i), n === 32 ? a >>> 0 : a & 2 ** n - 1;
}
function cr(e, t, n, r, i, a, o) {
	let s = t.scale >= Yn, c = i === "f" && !s, l = i === "i" || s, u = s ? 0 : t.scale, d = 8 * r, f = l ? BigInt.asUintN(64, BigInt.asIntN(d, n)) : n;
	if (t.predictor === 0) t.rows && lr(e, t.rows), c ? (dr(e, f, 0), mr(e, u, r)) : dr(e, f, u);
	else {
		if (c) {
			let e = 1n << BigInt(d - 1);
			f = f & e ? BigInt.asUintN(d, ~f) : f | e;
		}
		hr(e, t, f, u, a), c && gr(e, r);
	}
	if (s && _r(e, t.scale, r), t.flags & Wn && o) {
		let t = new BigInt64Array(e.buffer);
		for (let e = 0; e < t.length; e++) t[e] = o[e] - t[e];
	}
	t.exceptions?.rows.forEach((n, r) => {
		e[2 * n] = t.exceptions.words[2 * r], e[2 * n + 1] = t.exceptions.words[2 * r + 1];
	});
}
function lr(e, t) {
	for (let n = 1; n < t.length; n++) t[n] || (e[2 * n] = e[2 * n - 2], e[2 * n + 1] = e[2 * n - 1]);
}
var ur = 4294967296;
function dr(e, t, n) {
	let r = Number(t & 4294967295n), i = Number(t >> 32n);
	for (let t = 0; t < e.length; t += 2) {
		let a = r + fr(e[t], n), o = i + pr(e[t], e[t + 1], n);
		e[t] = a, e[t + 1] = o + +(a >= ur);
	}
}
function fr(e, t) {
	return t >= 32 ? 0 : e << t >>> 0;
}
function pr(e, t, n) {
	return n ? n >= 32 ? e << n - 32 >>> 0 : (t << n | e >>> 32 - n) >>> 0 : t >>> 0;
}
function mr(e, t, n) {
	for (let r = 0; r < e.length; r += 2) {
		let i = e[r] & 1, a = (e[r] >>> 1 | e[r + 1] << 31) >>> 0, o = e[r + 1] >>> 1;
		e[r] = fr(a, t) | (n === 4 ? i << 31 : 0), e[r + 1] = pr(a, o, t) | (n === 8 ? i << 31 : 0);
	}
}
function hr(e, t, n, r, i) {
	let a = t.predictor !== Rn, o = BigInt.asUintN(64, t.base), s = Number(o & 4294967295n), c = Number(o >> 32n);
	e[0] = Number(n & 4294967295n), e[1] = Number(n >> 32n);
	for (let n = 2; n < e.length; n += 2) {
		let o = e[n], l = e[n + 1];
		if (a) {
			let e = -(o & 1);
			o = (o >>> 1 | l << 31) ^ e, l = l >>> 1 ^ e;
		}
		let u = t.predictor === zn && n >= 2 * i ? n - 2 * i : n - 2, d = fr(o, r) + e[u] + s;
		e[n] = d, e[n + 1] = pr(o, l, r) + e[u + 1] + c + Math.floor(d / ur);
	}
}
function gr(e, t) {
	let n = t === 4 ? 0 : 1;
	for (let t = 0; t < e.length; t += 2) e[t + n] >>> 31 ? e[t + n] = e[t + n] ^ 2147483648 : (e[t] = ~e[t], e[t + 1] = ~e[t + 1]);
}
function _r(e, t, n) {
	let r = t < Xn, i = r ? Qn[t % 32] : $n[t % 32], a = new Float32Array(e.buffer), o = new Float64Array(e.buffer);
	for (let t = 0; t < o.length; t++) {
		let s = (e[2 * t + 1] | 0) * ur + e[2 * t], c = r ? s / i : s * i;
		n === 4 ? a[2 * t] = c : o[t] = c;
	}
}
function vr(e, t, n, r, i, a, o = 0, s = null) {
	let c = Ln(e.take(n + 7 >> 3), n), l = e.take(n * r), u = n * r, d = new Uint8Array(t * u);
	if (yr(d, l), !c.length) return d;
	if (a.steps(c.length * 8), t * n > (r === 1 ? qn : Kn)) {
		for (let n of c) {
			let i = n * r;
			if (e.byte() !== Bn || e.byte() !== r || l.subarray(i, i + r).some(Boolean)) throw new F("a large table has byte planes alone");
			let a = e.take(t * r);
			for (let e = 0; e < r; e++) {
				let n = e * t;
				for (let r = 0, o = i + e; r < t; r++, o += u) d[o] = a[n + r];
			}
		}
		return d;
	}
	let f = c.map(() => tr(e, t, r, i, o, s !== null, a)), p = ir(e, f, t);
	return c.forEach((e, t) => {
		let n = p[t];
		cr(n, f[t], br(l, e * r, r), r, i, o, s), xr(d, e * r, u, r, n);
	}), d;
}
function yr(e, t) {
	if (e.length) {
		e.set(t);
		for (let n = t.length; n < e.length; n *= 2) e.copyWithin(n, 0, Math.min(n, e.length - n));
	}
}
function br(e, t, n) {
	let r = 0n;
	for (let i = n - 1; i >= 0; i--) r = r << 8n | BigInt(e[t + i]);
	return r;
}
function xr(e, t, n, r, i) {
	let a = t;
	for (let t = 0; t < i.length; t += 2, a += n) {
		let n = i[t];
		if (e[a] = n, r === 1 || (e[a + 1] = n >>> 8, r === 2) || (e[a + 2] = n >>> 16, e[a + 3] = n >>> 24, r === 4)) continue;
		let o = i[t + 1];
		e[a + 4] = o, e[a + 5] = o >>> 8, e[a + 6] = o >>> 16, e[a + 7] = o >>> 24;
	}
}
function Sr(e, t) {
	for (let n = 0; n < e.length; n += t) for (let r = n, i = n + t - 1; r < i; r++, i--) {
		let t = e[r];
		e[r] = e[i], e[i] = t;
	}
}
var Cr = 1e9;
function wr(e) {
	for (let t = 0; t < e.length; t += 2) {
		let n = e[t], r = Math.floor(((e[t + 1] | 0) * ur + n) / Cr), i = n - Math.imul(r, Cr) >>> 0;
		if (i >= 3294967296 ? (--r, i = i + Cr >>> 0) : i >= Cr && (r += 1, i -= Cr), r !== (r | 0)) throw new F("a stamp is out of range");
		e[t] = r, e[t + 1] = i;
	}
}
// src/protocol/program.ts
var Tr = 4096, Er = 8, Dr = 1 << 20, B = /* @__PURE__ */ function(e) {
	return e[e.End = 0] = "End", e[e.Text = 1] = "Text", e[e.Stamp = 2] = "Stamp", e[e.Loop = 3] = "Loop", e[e.Array = 4] = "Array", e[e.Words = 16] = "Words", e[e.Sequence = 32] = "Sequence", e;
}({});
function Or(e) {
	return (e[1] & 1) == 1;
}
function kr(e) {
	return e[1] >= 6 ? 4 : 8;
}
function Ar(e) {
	if (e.length > Tr) throw new F(`a layout program has at most ${Tr} bytes`);
	let t = new Fn(e), n = [[]], r = [], i = 0;
	for (; t.left;) {
		let e = t.byte(), a, o = "u";
		if ((e & 240) == 16 || (e & 240) == 32) {
			a = e & 240;
			let t = e & 12;
			if (t === 12 || t === 8 && (e & 3) < 2) throw new F(`no such word in a program: ${e}`);
			o = t === 0 ? "u" : t === 4 ? "i" : "f";
		} else if (e <= 4) a = e;
		else throw new F(`no such operation in a program: ${e}`);
		let s = a === 16 || a === 4 ? t.varint() : 1;
		if (s < 1 || s > Dr) throw new F("a program repeats nothing that often");
		let c = a === 16 || a === 32 ? 1 << (e & 3) : 1;
		if (a === 0) {
			let e = r.pop(), t = n.length > 1 ? n.pop() : [];
			if (!e || !t.length) throw new F("a program ends a loop that has not begun, or is empty");
			n.at(-1).push({
				...e,
				width: 1,
				kind: "u",
				body: t
			});
		} else if (a === 3 || a === 4) {
			if (r.push({
				op: a,
				leaf: i,
				count: s
			}), n.push([]), a === 3 && (i += 1), r.length > Er) throw new F(`a program nests at most ${Er} loops`);
		} else n.at(-1).push({
			op: a,
			leaf: i,
			width: c,
			kind: o,
			count: s,
			body: []
		}), i += a === 1 || a === 32 ? 2 : 1;
	}
	if (r.length || !n[0].length) throw new F("a program is empty, or ends within a loop");
	return {
		code: e,
		steps: n[0],
		leaves: i
	};
}
// src/protocol/times.ts
function jr(e, t) {
	let n = [], r = [];
	for (let i of t > 1 ? [
		1,
		1,
		0
	] : [0]) {
		let a = e.byte();
		if (a > 64) throw new F("times of more than 64 bits");
		let o = e.zigzag64();
		r.push({
			low: o,
			unit: a ? e.varint64() : 1n
		}), n.push(er(i, a, t));
	}
	return {
		heads: n,
		scales: r
	};
}
function Mr({ scales: e }, t, n, r) {
	let i = e.map(({ low: e, unit: r }, i) => {
		let a = new BigInt64Array(t[i].buffer);
		for (let t = 0; t < n; t++) a[t] = a[t] * r + e;
		return a;
	});
	return n === 1 ? {
		sequences: Pr(r.sequence, Nr, 1),
		sourceNs: Pr(r.sourceNs, Nr, 0),
		latencyUs: i[0]
	} : {
		sequences: Pr(r.sequence, i[0].subarray(1), 1),
		sourceNs: Pr(r.sourceNs, i[1].subarray(1), 0),
		latencyUs: i[2]
	};
}
var Nr = /* @__PURE__ */ new BigInt64Array();
function Pr(e, t, n) {
	let r = new BigInt64Array(t.length + 1), i = e;
	r[0] = e;
	for (let e = 0; e < t.length; e++) {
		let a = t[e];
		if (n && a < 1n) throw new F("sequence numbers of a section must rise");
		if (i += a, i < 0n || i > Sn) throw new F("numbers of a section are out of range");
		r[e + 1] = i;
	}
	return r;
}
// src/protocol/matrix.ts
var Fr = 4096, Ir = 1 << 22, Lr = 128, Rr = 64, zr = class extends F {
	constructor() {
		super("a template does not fit its layout program");
	}
}, Br = class {
	sample;
	budget;
	parts = [];
	view;
	little;
	alignment;
	constructor(e, t) {
		if (this.sample = e, this.budget = t, e.length < 4) throw new zr();
		this.view = new DataView(e.buffer, e.byteOffset, e.length), this.little = Or(e), this.alignment = kr(e);
	}
	find(e) {
		this.budget.steps(e.steps.length);
		let t = this.steps(e.steps, 4);
		if (t > this.sample.length) throw new zr();
		if (this.add(t, this.sample.length - t, 1, "u"), !this.parts.length) throw new F("a matrix has samples of at least one word");
		return this.parts;
	}
	steps(e, t) {
		let n = t;
		for (let t of e) {
			if (t.op === B.Words) n = this.words(n, t.count, t.width, t.kind);
			else if (t.op === B.Stamp) n = this.align(n, 4), this.parts.push({
				start: n,
				width: 8,
				length: 1,
				kind: "stamp"
			}), n += 8;
			else if (t.op === B.Array) n = this.repeat(t, t.count, n);
			else {
				n = this.align(n, 4);
				let e = this.count(n);
				n += 4, n = t.op === B.Text ? this.words(n, e, 1, "u") : t.op === B.Sequence ? e ? this.words(n, e, t.width, t.kind) : n : this.repeat(t, e, n);
			}
			if (n > this.sample.length) throw new zr();
		}
		return n;
	}
	repeat(e, t, n) {
		if (e.op === B.Loop && t > this.sample.length) throw new zr();
		this.budget.steps(t * e.body.length);
		let r = n;
		for (let n = 0; n < t; n++) r = this.steps(e.body, r);
		return r;
	}
	words(e, t, n, r) {
		let i = this.align(e, n);
		if (i + t * n > this.sample.length) throw new zr();
		return this.add(i, t, n, r), i + t * n;
	}
	align(e, t) {
		let n = Math.min(t, this.alignment), r = (n - (e - 4) % n) % n;
		return this.add(e, r, 1, "u"), e + r;
	}
	count(e) {
		if (e + 4 > this.sample.length) throw new zr();
		return this.add(e, 1, 4, "count"), this.view.getUint32(e, this.little);
	}
	add(e, t, n, r) {
		if (this.parts.length + (t > Rr ? 1 : t) > Fr) throw new F(`samples of at most ${Fr} words stand in a matrix`);
		if (t > Rr) this.parts.push({
			start: e,
			width: n,
			length: t,
			kind: r
		});
		else for (let i = 0; i < t; i++) this.parts.push({
			start: e + i * n,
			width: n,
			length: 1,
			kind: r
		});
	}
}, Vr = /* @__PURE__ */ new Map();
function Hr(e, t, n) {
	let r = `${t.length}:${String.fromCharCode(...e)}`, i = Vr.get(r);
	if (i && Ur(i.header, t, i.parts)) return i.parts;
	let a = new Br(t, n).find(Ar(e));
	return Vr.delete(r), Vr.set(r, {
		header: t.slice(),
		parts: a
	}), Vr.size > Lr && Vr.delete(Vr.keys().next().value), a;
}
function Ur(e, t, n) {
	let r = (n) => [
		0,
		1,
		2,
		3
	].every((r) => e[n + r] === t[n + r]);
	return r(0) && n.every((e) => e.kind !== "count" || r(e.start));
}
function Wr(e, t, n, r) {
	let i = e.take(e.varint());
	if (i.length > 4096) throw new F("a layout program has at most 4096 bytes");
	r.steps(i.length);
	let a = e.varint(), o = jr(e, t), s = e.take(a), c = Hr(i, s, r), l = Ln(e.take(c.length + 7 >> 3), c.length).map((e) => c[e]);
	r.steps(l.length * 8);
	for (let { kind: e, width: n, length: i } of l) {
		if (e === "count") throw new F("lengths and counts do not vary in a matrix");
		r.values(t * n * i);
	}
	let u = l.filter((e) => e.length === 1);
	if (t * u.length > Ir) throw new F(`a matrix has at most ${Ir} words`);
	let d = u.map(({ kind: n, width: i }) => tr(e, t, i, Gr(n), 0, n === "stamp", r)), f = ir(e, [...o.heads, ...d], t), p = Mr(o, f, t, n);
	r.samples(t * a);
	let m = new Uint8Array(t * a);
	yr(m, s);
	let h = Or(s);
	u.forEach((e, t) => {
		let n = f[o.heads.length + t], r = br(s, e.start, e.width);
		cr(n, d[t], r, e.width, Gr(e.kind), 0, p.sourceNs), e.kind === "stamp" && wr(n), h || Kr(n, e), xr(m, e.start, a, e.width, n);
	});
	for (let n of l) {
		if (n.length === 1) continue;
		let i = n.length * n.width;
		if (s.subarray(n.start, n.start + i).some(Boolean)) throw new F("an array that varies has nothing in the template");
		let o = vr(e, t * n.length, 1, n.width, Gr(n.kind), r, n.length);
		h || Sr(o, n.width);
		for (let e = 0; e < t; e++) m.set(o.subarray(e * i, (e + 1) * i), e * a + n.start);
	}
	if (e.left) throw new F("a block is longer than its columns");
	return {
		times: p,
		samples: Array.from({ length: t }, (e, t) => m.slice(t * a, (t + 1) * a))
	};
}
function Gr(e) {
	return e === "stamp" ? "i" : e === "count" ? "u" : e;
}
function Kr(e, t) {
	let n = t.kind === "stamp", r = new Uint8Array(e.buffer);
	for (let e = 0; e < r.length; e += 8) Sr(r.subarray(e, e + t.width), n ? 4 : t.width);
}
// src/protocol/streams.ts
var qr = 1, Jr = 2, Yr = 16, Xr = 64;
function Zr(e, t, n, r) {
	let i = e.byte();
	if (i & -4) throw new F(`no such block: ${i}`);
	let a = e.take(e.varint());
	r.steps(a.length);
	let o = Ar(a), s = {
		header: e.take(4),
		counts: [],
		data: Array.from({ length: o.leaves }, () => Qr),
		padding: Qr,
		tails: []
	}, c = jr(e, t), l = Mr(c, ir(e, c.heads, t), t, n);
	if (new $r(e, s, l.sourceNs, r).read(o.steps, t, !0), i & Jr && (s.tails = Array.from({ length: t }, () => e.take(e.varint()))), i & qr && (s.padding = e.take(e.left)), e.left) throw new F("a block is longer than its columns");
	return {
		times: l,
		samples: new ei(o, s, r).join(t)
	};
}
var Qr = /* @__PURE__ */ new Uint8Array(), $r = class {
	reader;
	streams;
	clock;
	budget;
	little;
	constructor(e, t, n, r) {
		this.reader = e, this.streams = t, this.clock = n, this.budget = r, this.little = Or(t.header);
	}
	read(e, t, n) {
		this.budget.steps(e.length * Yr);
		for (let r of e) if (r.op === B.Words) this.table(r.leaf, t, r.count, r);
		else if (r.op === B.Stamp) this.stamps(r, t, n);
		else if (r.op === B.Array) this.read(r.body, t * r.count, !1);
		else {
			let e = this.counts(t);
			this.streams.counts[r.leaf] = e, this.counted(r, e);
		}
	}
	counted(e, t) {
		let n = t.reduce((e, t) => e + t, 0), r = t.every((e) => e === t[0]);
		e.op === B.Loop ? n && this.read(e.body, n, !1) : e.op === B.Text ? (this.budget.values(n), this.streams.data[e.leaf + 1] = this.text(t, n, r)) : n && (r ? this.table(e.leaf + 1, t.length, t[0], e) : this.table(e.leaf + 1, n, 0, e));
	}
	text(e, t, n) {
		if (!this.reader.byte()) return this.reader.take(t);
		if (!n) throw new F("a repeated text has one length");
		let r = this.reader.take(e[0]), i = new Uint8Array(t);
		for (let e = 0; e < t; e += r.length) i.set(r, e);
		return i;
	}
	stamps(e, t, n) {
		this.budget.values(8 * t);
		let r = vr(this.reader, t, 1, 8, "i", this.budget, 0, n ? this.clock : null);
		wr(new Uint32Array(r.buffer)), this.little || Sr(r, 4), this.streams.data[e.leaf] = r;
	}
	table(e, t, n, r) {
		let i = t * Math.max(1, n);
		this.budget.values(i * r.width);
		let a = n > Xr || n === 0 ? vr(this.reader, i, 1, r.width, r.kind, this.budget, n) : vr(this.reader, t, n, r.width, r.kind, this.budget);
		this.little || Sr(a, r.width), this.streams.data[e] = a;
	}
	counts(e) {
		this.budget.values(4 * e);
		let t = this.reader.varint();
		if (!t) return new Uint32Array(vr(this.reader, e, 1, 4, "u", this.budget).buffer);
		if (t > 2 ** 32) throw new F("a count has 32 bits");
		return this.budget.foresee(e * (t - 1)), new Uint32Array(e).fill(t - 1);
	}
}, ei = class {
	program;
	streams;
	budget;
	bytes = /* @__PURE__ */ new Uint8Array(4096);
	size = 0;
	little;
	alignment;
	used;
	usedPadding = 0;
	charged = !0;
	constructor(e, t, n) {
		this.program = e, this.streams = t, this.budget = n, this.little = Or(t.header), this.alignment = kr(t.header), this.used = Array.from({ length: e.leaves }, () => 0);
	}
	join(e) {
		let t = this.alike(e);
		return Array.from({ length: e }, (e, n) => (this.charged = !(t && n), this.size = 0, this.put(this.streams.header), this.charge(this.program.steps.length), this.steps(this.program.steps), this.streams.tails.length && this.put(this.streams.tails[n]), this.budget.samples(this.size), this.bytes.slice(0, this.size)));
	}
	alike(e) {
		return this.streams.tails.every((e) => e.length === this.streams.tails[0].length) && this.streams.counts.every((t) => {
			let n = t.length / e;
			return Number.isInteger(n) && t.every((e, r) => e === t[r % n]);
		});
	}
	charge(e) {
		this.charged && this.budget.steps(e);
	}
	steps(e) {
		for (let t of e) switch (t.op) {
			case B.Words:
				this.align(t.width), this.take(t.leaf, t.count * t.width);
				break;
			case B.Stamp:
				this.align(4), this.take(t.leaf, 8);
				break;
			case B.Array:
				this.repeat(t, t.count);
				break;
			case B.Loop:
				this.repeat(t, this.count(t.leaf));
				break;
			default: {
				let e = this.count(t.leaf);
				e && (this.align(t.width), this.take(t.leaf + 1, e * t.width));
			}
		}
	}
	repeat(e, t) {
		this.charge(t * e.body.length);
		for (let n = 0; n < t; n++) this.steps(e.body);
	}
	count(e) {
		this.align(4);
		let t = this.streams.counts[e]?.[this.used[e]];
		if (t === void 0) throw new F("samples have more loops than their columns");
		return this.used[e] += 1, this.room(4), new DataView(this.bytes.buffer).setUint32(this.size, t, this.little), this.size += 4, t;
	}
	take(e, t) {
		let n = this.used[e];
		this.used[e] = n + t, this.put(this.part(this.streams.data[e], n, t));
	}
	align(e) {
		let t = Math.min(e, this.alignment), n = (t - (this.size - 4) % t) % t;
		n && (this.room(n), this.streams.padding.length ? (this.put(this.part(this.streams.padding, this.usedPadding, n)), this.usedPadding += n) : (this.bytes.fill(0, this.size, this.size + n), this.size += n));
	}
	part(e, t, n) {
		if (t + n > e.length) throw new F("samples need more bytes than their columns have");
		return e.subarray(t, t + n);
	}
	put(e) {
		this.room(e.length), this.bytes.set(e, this.size), this.size += e.length;
	}
	room(e) {
		if (this.size + e <= this.bytes.length) return;
		let t = new Uint8Array(Math.max(2 * this.bytes.length, this.size + e));
		t.set(this.bytes.subarray(0, this.size)), this.bytes = t;
	}
}, ti = 4247762216, ni = 131072, ri = [
	1,
	4,
	8
], ii = {
	maxLog: 9,
	maxCode: 35
}, ai = {
	maxLog: 8,
	maxCode: 31
}, oi = {
	maxLog: 9,
	maxCode: 52
}, si = [
	...Array(16).fill(0),
	1,
	1,
	1,
	1,
	2,
	2,
	3,
	3,
	4,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	16
], ci = [
	...Array(32).fill(0),
	1,
	1,
	1,
	1,
	2,
	2,
	3,
	3,
	4,
	4,
	5,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	16
], li = di(si, 0), ui = di(ci, 3);
function di(e, t) {
	let n = t;
	return e.map((e) => {
		let t = n;
		return n += 2 ** e, t;
	});
}
function V(e) {
	throw new F(`broken zstd data: ${e}`);
}
function fi(e, t) {
	let n = 1 << e, r = new Uint8Array(n), i = n;
	t.forEach((e, t) => {
		e === -1 && (r[--i] = t);
	});
	let a = (n >> 1) + (n >> 3) + 3, o = 0;
	t.forEach((e, t) => {
		for (let s = 0; s < e; s++) {
			r[o] = t;
			do
				o = o + a & n - 1;
			while (o >= i);
		}
	});
	let s = t.map((e) => Math.abs(e)), c = new Uint8Array(n), l = new Uint16Array(n);
	for (let t = 0; t < n; t++) {
		let i = s[r[t]]++;
		c[t] = e - (31 - Math.clz32(i)), l[t] = (i << c[t]) - n;
	}
	return {
		log: e,
		symbols: r,
		bits: c,
		baselines: l
	};
}
var pi = {
	literals: fi(6, [
		4,
		3,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		1,
		1,
		1,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		2,
		3,
		2,
		1,
		1,
		1,
		1,
		1,
		-1,
		-1,
		-1,
		-1
	]),
	offsets: fi(5, [
		1,
		1,
		1,
		1,
		1,
		1,
		2,
		2,
		2,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		-1,
		-1,
		-1,
		-1,
		-1
	]),
	matches: fi(6, [
		1,
		4,
		3,
		2,
		2,
		2,
		2,
		2,
		2,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		1,
		-1,
		-1,
		-1,
		-1,
		-1,
		-1,
		-1
	])
};
function mi(e, t, n, r, i) {
	let a = 8 * t, o = (t) => {
		let r = hi(e, a, t, n);
		return a += t, r;
	}, s = o(4) + 5;
	s > r && V("table too large");
	let c = [], l = 1 << s;
	for (; l > 0;) {
		c.length > i && V("too many symbols");
		let t = 32 - Math.clz32(l + 1), r = 2 ** (t - 1), s = 2 * r - 2 - l, u = hi(e, a, t, n, !0);
		(u & r - 1) < s ? (u &= r - 1, a += t - 1) : (u >= r && (u -= s), a += t);
		let d = u - 1;
		if (c.push(d), l -= Math.abs(d), d !== 0) continue;
		let f;
		do {
			f = o(2);
			for (let e = 0; e < f; e++) c.push(0);
			c.length > i + 1 && V("too many symbols");
		} while (f === 3);
	}
	let u = a + 7 >> 3;
	return (l || u > n) && V("table of another size"), [fi(s, c), u];
}
function hi(e, t, n, r, i = !1) {
	let a = t >> 3;
	t + n > 8 * r && !i && V("cut off");
	let o = 0;
	for (let t = 0; t < 4; t++) a + t < r && (o |= e[a + t] << 8 * t);
	return o >>> (t & 7) & 2 ** n - 1;
}
var gi = class {
	data;
	from;
	left;
	constructor(e, t, n) {
		this.data = e, this.from = t;
		let r = n > t ? e[n - 1] : 0;
		r || V("a stream without its end mark"), this.left = 8 * (n - t) - 1 - Math.clz32(r) + 24;
	}
	read(e) {
		if (this.left -= e, this.left >= 0) return this.at(this.left, e);
		let t = -this.left;
		return t >= e ? 0 : this.at(0, e - t) << t;
	}
	at(e, t) {
		let { data: n } = this, r = this.from + (e >> 3);
		return (n[r] | n[r + 1] << 8 | n[r + 2] << 16 | n[r + 3] << 24) >>> (e & 7) & (1 << t) - 1;
	}
};
function _i(e, t, n) {
	t >= n && V("cut off");
	let r = e[t], i = [], a;
	if (r >= 128) {
		let o = r - 127;
		a = t + 1 + (o + 1 >> 1), a > n && V("cut off");
		for (let n = 0; n < o; n++) {
			let r = e[t + 1 + (n >> 1)];
			i.push(n & 1 ? r & 15 : r >> 4);
		}
	} else {
		a = t + 1 + r, a > n && V("cut off");
		let [o, s] = mi(e, t + 1, a, 6, 255);
		vi(o, new gi(e, s, a), i);
	}
	return [yi(i), a];
}
function vi(e, t, n) {
	let r = [t.read(e.log), t.read(e.log)];
	t.left < 0 && V("cut off");
	for (let i = 0;; i ^= 1) {
		let a = r[i];
		n.push(e.symbols[a]), n.length > 254 && V("too many weights");
		let o = e.bits[a];
		if (t.left < o) {
			n.push(e.symbols[r[i ^ 1]]);
			return;
		}
		r[i] = e.baselines[a] + t.read(o);
	}
}
function yi(e) {
	let t = 0;
	for (let n of e) n > 11 && V("weight too large"), n && (t += 1 << n - 1);
	t || V("no weights");
	let n = 32 - Math.clz32(t), r = (1 << n) - t;
	(n > 11 || r & r - 1) && V("weights do not add up"), e.push(32 - Math.clz32(r));
	let i = new Uint8Array(1 << n), a = new Uint8Array(1 << n), o = 0;
	for (let t = 1; t <= n; t++) {
		let r = 1 << t - 1;
		for (let s = 0; s < e.length; s++) e[s] === t && (i.fill(s, o, o + r), a.fill(n + 1 - t, o, o + r), o += r);
	}
	return {
		maxBits: n,
		symbols: i,
		bits: a
	};
}
function bi(e, t, n, r, i, a, o) {
	let s = new gi(t, n, r), { maxBits: c, symbols: l } = e, u = (1 << c) - 1, d = s.read(c);
	for (let t = a; t < o; t++) {
		i[t] = l[d];
		let n = e.bits[d];
		d = (d << n | s.read(n)) & u;
	}
	s.left !== -c && V("a stream of another length");
}
var xi = class {
	data;
	out;
	at;
	written;
	huffman = null;
	tables = [
		null,
		null,
		null
	];
	history = [...ri];
	literals = new Uint8Array(ni);
	constructor(e, t, n, r) {
		this.data = e, this.out = n, this.at = t, this.written = r;
	}
	run() {
		for (let e = !1; !e;) {
			this.at + 3 > this.data.length && V("cut off");
			let t = this.data[this.at] | this.data[this.at + 1] << 8 | this.data[this.at + 2] << 16;
			this.at += 3, e = (t & 1) == 1, this.block(t >> 1 & 3, t >> 3);
		}
		this.written !== this.out.length && V("another length than announced");
	}
	block(e, t) {
		t > ni && V("block too large");
		let n = this.at + (e === 1 ? 1 : t);
		(e === 3 || n > this.data.length) && V("cut off"), e === 0 ? this.put(this.data.subarray(this.at, n)) : e === 1 ? (this.room(t), this.out.fill(this.data[this.at], this.written, this.written += t)) : this.compressed(n), this.at = n;
	}
	room(e) {
		e > this.out.length - this.written && V("longer than announced");
	}
	put(e) {
		this.room(e.length), this.out.set(e, this.written), this.written += e.length;
	}
	compressed(e) {
		let t = this.readLiterals(e), n = this.written + ni, r = this.sequences(e, t);
		this.put(this.literals.subarray(r, t)), this.written > n && V("block too large");
	}
	readLiterals(e) {
		let { data: t } = this, n = (n) => this.at + n < e ? t[this.at + n] : V("cut off"), r = n(0) & 3, i = n(0) >> 2 & 3;
		if (r < 2) {
			let a = i === 1 ? n(0) >> 4 | n(1) << 4 : i === 3 ? n(0) >> 4 | n(1) << 4 | n(2) << 12 : n(0) >> 3;
			return this.at += i === 1 ? 2 : i === 3 ? 3 : 1, (a > ni || this.at + (r ? 1 : a) > e) && V("literals are cut off"), r ? this.literals.fill(t[this.at], 0, a) : this.literals.set(t.subarray(this.at, this.at + a)), this.at += r ? 1 : a, a;
		}
		let a = i < 2 ? 10 : i === 2 ? 14 : 18, o = i < 2 ? 3 : i === 2 ? 4 : 5, s = 0;
		for (let e = o - 1; e >= 0; e--) s = s * 256 + n(e);
		let c = Math.floor(s / 16) % 2 ** a, l = Math.floor(s / 2 ** (4 + a));
		this.at += o;
		let u = this.at + l;
		return (c > ni || u > e) && V("literals are cut off"), r === 2 && ([this.huffman, this.at] = _i(t, this.at, u)), this.huffman || V("no table"), this.unpackLiterals(this.huffman, u, c, i !== 0), this.at = u, c;
	}
	unpackLiterals(e, t, n, r) {
		let { data: i, literals: a } = this;
		if (!r) {
			bi(e, i, this.at, t, a, 0, n);
			return;
		}
		let o = n + 3 >> 2, s = this.at + 6;
		(s > t || 3 * o > n) && V("literals are cut off");
		for (let r = 0; r < 4; r++) {
			let c = i[this.at + 2 * r] | i[this.at + 2 * r + 1] << 8, l = r < 3 ? s + c : t;
			l > t && V("literals are cut off"), bi(e, i, s, l, a, r * o, r < 3 ? (r + 1) * o : n), s = l;
		}
	}
	sequences(e, t) {
		let { data: n } = this;
		this.at >= e && V("cut off");
		let r = n[this.at++];
		if (r === 255 ? (r = n[this.at] + (n[this.at + 1] << 8) + 32512, this.at += 2) : r > 127 && (r = (r - 128 << 8) + n[this.at++]), !r) return 0;
		this.at >= e && V("cut off");
		let i = n[this.at++];
		return i & 3 && V("reserved bits"), this.readTable(0, i >> 6, pi.literals, ii, e), this.readTable(1, i >> 4 & 3, pi.offsets, ai, e), this.readTable(2, i >> 2 & 3, pi.matches, oi, e), this.execute(r, new gi(n, this.at, e), t);
	}
	readTable(e, t, n, { maxLog: r, maxCode: i }, a) {
		if (t === 0) this.tables[e] = n;
		else if (t === 1) {
			let t = this.at < a ? this.data[this.at++] : V("cut off");
			t > i && V("unknown code"), this.tables[e] = {
				log: 0,
				symbols: Uint8Array.of(t),
				bits: Uint8Array.of(0),
				baselines: Uint16Array.of(0)
			};
		} else t === 2 ? [this.tables[e], this.at] = mi(this.data, this.at, a, r, i) : this.tables[e] || V("no table");
	}
	execute(e, t, n) {
		let [r, i, a] = this.tables, { out: o, literals: s } = this, c = t.read(r.log), l = t.read(i.log), u = t.read(a.log), d = 0;
		for (let f = 0; f < e; f++) {
			let p = i.symbols[l], m = p > 16 ? p - 16 : 0, h = 2 ** p + (m ? t.read(16) * 2 ** m + t.read(m) : t.read(p)), g = a.symbols[u], _ = ui[g] + t.read(ci[g]), v = r.symbols[c], y = li[v] + t.read(si[v]), b = this.offset(h, y);
			f < e - 1 && (c = r.baselines[c] + t.read(r.bits[c]), u = a.baselines[u] + t.read(a.bits[u]), l = i.baselines[l] + t.read(i.bits[l])), (t.left < 0 || d + y > n) && V("sequences are cut off"), this.room(y + _);
			let x = this.written;
			for (let e = d + y; d < e; d++) o[x++] = s[d];
			b > x && V("a match points before the beginning");
			for (let e = x - b, t = x + _; x < t;) o[x++] = o[e++];
			this.written = x;
		}
		return t.left !== 0 && V("sequences of another length"), d;
	}
	offset(e, t) {
		let { history: n } = this;
		if (e > 3) return n.unshift(e - 3), n.pop(), e - 3;
		let r = e - +!!t;
		if (r === 0) return n[0];
		let i = r < 3 ? n[r] : n[0] - 1;
		return i < 1 && V("an offset of nothing"), r > 1 && (n[2] = n[1]), n[1] = n[0], n[0] = i, i;
	}
};
function Si(e) {
	let t = new DataView(e.buffer, e.byteOffset, e.length);
	(e.length < 6 || t.getUint32(0, !0) !== ti) && V("no frame");
	let n = e[4];
	n & 8 && V("reserved bits");
	let r = n >> 5 & 1, i = [
		0,
		1,
		2,
		4
	][n & 3], a = [
		r,
		2,
		4,
		8
	][n >> 6], o = 6 - r + i, s = o + a;
	return s > e.length && V("cut off"), e.subarray(o - i, o).some(Boolean) && V("a dictionary that is not of this protocol"), a === 1 ? {
		blocks: s,
		contentSize: e[o]
	} : a === 2 ? {
		blocks: s,
		contentSize: t.getUint16(o, !0) + 256
	} : a === 4 ? {
		blocks: s,
		contentSize: t.getUint32(o, !0)
	} : {
		blocks: s,
		contentSize: a ? Number(t.getBigUint64(o, !0)) : null
	};
}
var Ci = /* @__PURE__ */ new Uint8Array();
function wi(e, t, n = Ci) {
	let { blocks: r, contentSize: i } = Si(e);
	if (i !== t) throw new F("compressed length differs from the announced one");
	let a = new Uint8Array(n.length + t);
	return a.set(n), new xi(e, r, a, n.length).run(), n.length ? a.slice(n.length) : a;
}
// src/protocol/batch.ts
var Ti = 1, Ei = /* @__PURE__ */ function(e) {
	return e[e.Batch = 0] = "Batch", e[e.Fragment = 1] = "Fragment", e[e.Abandoned = 2] = "Abandoned", e[e.Account = 3] = "Account", e;
}({}), Di = [
	[
		8,
		9,
		10
	],
	[8],
	[4],
	[5]
], Oi = 0, ki = 1, Ai = 2, ji = -(1n << 63n);
function Mi(e) {
	if (e !== Ti) throw new F(`protocol version ${typeof e == "number" ? e : typeof e}; this decoder reads ${Ti}`);
}
function H(e) {
	let t = "";
	for (let n of e) t += (n < 16 ? "0" : "") + n.toString(16);
	return t;
}
function Ni(e) {
	return Uint8Array.from(e.match(/../g) ?? [], (e) => Number.parseInt(e, 16));
}
function Pi(e) {
	let t = I(An(e, { maxBytes: ln }), "a batch message");
	Mi(t[0]);
	let n = z(t[1], "the kind of a message", Di.length - 1);
	if (!Di[n].includes(t.length)) throw new F(`message of kind ${n} with ${t.length} fields`);
	return {
		kind: n,
		boot: H(L(t[2], "a boot id", 8)),
		number: R(t[3], "batch number"),
		fields: t
	};
}
function Fi({ fields: e }) {
	let t = e.length > 9 ? H(L(e[9], "the name of a dictionary", 4)) : "";
	if (e[5] === Ai != (t !== "")) throw new F("a batch names the dictionary that it needs, and no other");
	return t;
}
function Ii({ fields: e }, t) {
	let n = R(e[4], "sent time"), r = I(An(Li(e[5], z(e[6], "raw length", un), L(e[7], "a body"), t), { maxBytes: un }), "a body");
	if (!r.length || r.length > 4096) throw new F(`a batch has 1 to ${dn} sections`);
	let i = new In(e.length > 8 ? L(e[8], "bits") : /* @__PURE__ */ new Uint8Array()), a = new Pn(), o = 0, s = r.map((e) => {
		let t = I(e, "a section");
		if (t.length !== 9) throw new F("a section has nine fields");
		let r = z(t[2], "sample count", fn);
		if (o += r, !r || o > 65536) throw new F(`a section has samples, and a batch at most ${fn}`);
		return Ri(t, r, n, i, a);
	});
	if (i.bitsLeft) throw new F("more packed numbers than sections have");
	return {
		sentNs: n,
		sections: s
	};
}
function Li(e, t, n, r) {
	if (e === ki) return wi(n, t);
	if (e === Ai && r) return wi(n, t, r);
	if (e !== Oi) throw new F("unknown codec");
	if (n.length !== t) throw new F("a body has another length than announced");
	return n;
}
function Ri(e, t, n, r, i) {
	let a = R(e[0], "route"), o = {
		sequence: R(e[3], "sequence"),
		sourceNs: R(n - Nn(e[4], "age"), "source time")
	}, s = L(e[8], "a block"), { times: c, samples: l } = zi(e[7], s, I(e[5], "columns"), t, o, r, i), u = c.sourceNs.map((e, t) => {
		let n = e + 1000n * c.latencyUs[t];
		if (n < 0n || n > Sn) throw new F("receive times out of range");
		return n;
	});
	return {
		route: a,
		descriptor: Gi(e[1]),
		sequences: c.sequences,
		sourceNs: c.sourceNs,
		receiveNs: u,
		samples: l,
		totals: Ki(e[6])
	};
}
function zi(e, t, n, r, i, a, o) {
	if (e === 0 || e === 1) return Bi(e === 1, t, n, r, i, o);
	if (n.length) throw new F("a block of this layout has no columns at its head");
	if (a.begin(t), e === 2 && r > 1) return Wr(a, r, i, o);
	if (e === 3) return Zr(a, r, i, o);
	throw new F("unknown layout, or a matrix of one sample");
}
function Bi(e, t, n, r, i, a) {
	let o = r > 1 ? [
		r - 1,
		r - 1,
		r,
		r
	] : [r, r];
	if (n.length !== 2 * o.length) throw new F(`a section has ${o.length} columns`);
	let s = 0, c = o.map((e, r) => {
		let i = Nn(n[2 * r], "the minimum of a column"), a = z(n[2 * r + 1], "the width of a column", 8);
		if (i < ji || i > Sn) throw new F("the minimum of a column has 64 bits");
		if (s + e * a > t.length) throw new F("block is shorter than its columns");
		let o = Wi(t.subarray(s, s + e * a), i, a, e);
		return s += e * a, o;
	}), [l, u] = c.slice(-2), [d, f] = r > 1 ? c : [Vi, Vi], p = {
		sequences: Pr(i.sequence, d, 1),
		sourceNs: Pr(i.sourceNs, f, 0),
		latencyUs: l
	}, m = t.subarray(s);
	if (Hi(u, m.length, e), a.samples(m.length), e) return {
		times: p,
		samples: Ui(m, r)
	};
	let h = 0;
	return {
		times: p,
		samples: Array.from(u, (e) => m.slice(h, h += Number(e)))
	};
}
var Vi = /* @__PURE__ */ new BigInt64Array();
function Hi(e, t, n) {
	let r = 0n;
	for (let t of e) {
		if (t < 0n) throw new F("a sample has a negative length");
		if (n && (t !== e[0] || !t)) throw new F("transposed samples are of one length");
		r += t;
	}
	if (r !== BigInt(t)) throw new F("lengths of the samples do not add up to the block");
}
function Ui(e, t) {
	let n = e.length / t;
	return Array.from({ length: t }, (r, i) => {
		let a = new Uint8Array(n);
		for (let r = 0, o = i; r < n; r++, o += t) a[r] = e[o];
		return a;
	});
}
function Wi(e, t, n, r) {
	let i = new BigInt64Array(r), a = new Uint8Array(i.buffer);
	for (let t = 0; t < n; t++) for (let n = 0; n < r; n++) a[8 * n + t] = e[t * r + n];
	for (let e = 0; e < r; e++) i[e] = i[e] + t;
	return i;
}
function Gi(e) {
	if (e === null) return null;
	let t = I(e, "a descriptor");
	if (t.length !== 4 && t.length !== 5) throw new F("a descriptor has four fields, or five with a form");
	let n = L(t[3], "a schema id");
	if (n.length !== 0 && n.length !== 8) throw new F("a schema id has eight bytes");
	let r = t.length === 5 ? Mn(t[4], "a form", 64) : "";
	if (t.length === 5 && !r) throw new F("a form has a name");
	return {
		stream: Mn(t[0], "a stream"),
		topic: Mn(t[1], "a topic"),
		typeName: Mn(t[2], "a type"),
		schemaId: H(n),
		form: r
	};
}
function Ki(e) {
	if (e === null) return null;
	if (!(e instanceof Map) || e.size > 64) throw new F("totals are a map of at most 64 reasons");
	return new Map([...e].map(([e, t]) => [Number(R(e, "reason")), R(t, "total")]));
}
// node_modules/@noble/hashes/_u64.js
var qi = /* @__PURE__ */ BigInt(2 ** 32 - 1), Ji = /* @__PURE__ */ BigInt(32);
function Yi(e, t = !1) {
	return t ? {
		h: Number(e & qi),
		l: Number(e >> Ji & qi)
	} : {
		h: Number(e >> Ji & qi) | 0,
		l: Number(e & qi) | 0
	};
}
function Xi(e, t = !1) {
	let n = e.length, r = new Uint32Array(n), i = new Uint32Array(n);
	for (let a = 0; a < n; a++) {
		let { h: n, l: o } = Yi(e[a], t);
		[r[a], i[a]] = [n, o];
	}
	return [r, i];
}
var Zi = (e) => e / 2 ** 32 | 0, Qi = (e) => e >>> 0;
function $i(e, t, n, r) {
	let i = Zi(n), a = Qi(n);
	e.setUint32(t, r ? a : i, r), e.setUint32(t + 4, r ? i : a, r);
}
var ea = (e, t, n) => e >>> n, ta = (e, t, n) => e << 32 - n | t >>> n, na = (e, t, n) => e >>> n | t << 32 - n, ra = (e, t, n) => e << 32 - n | t >>> n, ia = (e, t, n) => e << 64 - n | t >>> n - 32, aa = (e, t, n) => e >>> n - 32 | t << 64 - n;
function oa(e, t, n, r) {
	let i = (t >>> 0) + (r >>> 0);
	return {
		h: e + n + (i / 2 ** 32 | 0) | 0,
		l: i | 0
	};
}
var sa = (e, t, n) => (e >>> 0) + (t >>> 0) + (n >>> 0), ca = (e, t, n, r) => t + n + r + (e / 2 ** 32 | 0) | 0, la = (e, t, n, r) => (e >>> 0) + (t >>> 0) + (n >>> 0) + (r >>> 0), ua = (e, t, n, r, i) => t + n + r + i + (e / 2 ** 32 | 0) | 0, da = (e, t, n, r, i) => (e >>> 0) + (t >>> 0) + (n >>> 0) + (r >>> 0) + (i >>> 0), fa = (e, t, n, r, i, a) => t + n + r + i + a + (e / 2 ** 32 | 0) | 0;
// node_modules/@noble/hashes/utils.js
function pa(e) {
	return e instanceof Uint8Array || ArrayBuffer.isView(e) && e.constructor.name === "Uint8Array" && "BYTES_PER_ELEMENT" in e && e.BYTES_PER_ELEMENT === 1;
}
var ma = (e) => e ? `"${e}" ` : "";
function ha(e, t = "") {
	if (typeof e != "number") throw TypeError(ma(t) + "expected number, got " + typeof e);
	if (!Number.isSafeInteger(e) || e < 0) throw RangeError(ma(t) + "expected integer >= 0, got " + e);
	return e;
}
function U(e, t, n = "") {
	if (pa(e) && (t === void 0 || e.length === t)) return e;
	t !== void 0 && ha(t, "length");
	let r = pa(e), i = t === void 0 ? "" : ` of length ${t}`, a = r ? `length=${e.length}` : `type=${typeof e}`, o = ma(n) + "expected Uint8Array" + i + ", got " + a;
	throw r ? RangeError(o) : TypeError(o);
}
function ga(e) {
	return Uint8Array.from(U(e));
}
var _a = (e, t) => {
	if (typeof e != "object" || !e || Array.isArray(e)) throw TypeError((t === "object" ? "" : `"${t}" `) + "expected object, got type=" + typeof e);
}, va = (e, t) => {
	_a(e, t);
	let n = Object.getPrototypeOf(e);
	if (n !== Object.prototype && n !== null) throw TypeError(`"${t}" expected plain object`);
	if (Object.hasOwn(e, "__proto__")) throw TypeError(`"${t}.__proto__" is not allowed`);
};
function ya(e, t = !0) {
	if (e.destroyed) throw Error("hash was destroyed");
	if (t && e.finished) throw Error("digest() was already called");
}
function ba(e, t) {
	U(e, void 0, "output");
	let n = t.outputLen;
	if (!(e.length >= n)) throw RangeError("\"output\" expected length >= " + n);
}
function xa(e) {
	return new Uint32Array(e.buffer, e.byteOffset, Math.floor(e.byteLength / 4));
}
function Sa(...e) {
	for (let t = 0; t < e.length; t++) e[t].fill(0);
}
function Ca(e) {
	return new DataView(e.buffer, e.byteOffset, e.byteLength);
}
function W(e, t) {
	return e << 32 - t | e >>> t;
}
var wa = new Uint8Array(new Uint32Array([287454020]).buffer)[0] === 68;
function Ta(e) {
	return e << 24 & 4278190080 | e << 8 & 16711680 | e >>> 8 & 65280 | e >>> 24 & 255;
}
var Ea = wa ? (e) => e : (e) => Ta(e) >>> 0;
function Da(e) {
	for (let t = 0; t < e.length; t++) e[t] = Ta(e[t]);
	return e;
}
var Oa = wa ? (e) => e : Da, ka = typeof Uint8Array.from([]).toHex == "function" && typeof Uint8Array.fromHex == "function", Aa = /* @__PURE__ */ Array.from({ length: 256 }, (e, t) => t.toString(16).padStart(2, "0"));
function ja(e) {
	if (U(e), ka) return e.toHex();
	let t = "";
	for (let n = 0; n < e.length; n++) t += Aa[e[n]];
	return t;
}
function Ma(e) {
	return e >= 48 && e <= 57 ? e - 48 : e >= 65 && e <= 70 ? e - 55 : e >= 97 && e <= 102 ? e - 87 : void 0;
}
function Na(e) {
	if (typeof e != "string") throw TypeError("hex string expected, got " + typeof e);
	if (ka) try {
		return Uint8Array.fromHex(e);
	} catch (e) {
		throw e instanceof SyntaxError ? RangeError(e.message) : e;
	}
	let t = e.length, n = t / 2;
	if (t % 2) throw RangeError("hex string expected, got unpadded hex of length " + t);
	let r = new Uint8Array(n);
	for (let t = 0, i = 0; t < n; t++, i += 2) {
		let n = Ma(e.charCodeAt(i)), a = Ma(e.charCodeAt(i + 1));
		if (n === void 0 || a === void 0) {
			let t = e[i] + e[i + 1];
			throw RangeError("hex string expected, got non-hex character \"" + t + "\" at index " + i);
		}
		r[t] = n * 16 + a;
	}
	return r;
}
function Pa(...e) {
	let t = 0;
	for (let n = 0; n < e.length; n++) {
		let r = e[n];
		U(r), t += r.length;
	}
	let n = new Uint8Array(t);
	for (let t = 0, r = 0; t < e.length; t++) {
		let i = e[t];
		n.set(i, r), r += i.length;
	}
	return n;
}
function Fa(e, t, n = "opts") {
	return va(e, "defaults"), t !== void 0 && va(t, n), Object.assign(Object.create(null), e, t);
}
function Ia(e, t = {}) {
	if (typeof e != "function") throw TypeError("\"hashCons\" expected function, got type=" + typeof e);
	t = Fa({}, t, "info");
	let n = (t, n) => e(n).update(t).digest(), r = e(void 0);
	return n.outputLen = r.outputLen, n.blockLen = r.blockLen, n.canXOF = r.canXOF, n.create = (t) => e(t), Object.assign(n, t), Object.freeze(n);
}
function La(e = 32) {
	ha(e, "bytesLength");
	let t = typeof globalThis == "object" ? globalThis.crypto : null;
	if (typeof t?.getRandomValues != "function") throw Error("crypto.getRandomValues must be defined");
	if (e > 65536) throw RangeError(`"bytesLength" expected <= 65536, got ${e}`);
	return t.getRandomValues(new Uint8Array(e));
}
var Ra = (e) => ({ oid: Uint8Array.from([
	6,
	9,
	96,
	134,
	72,
	1,
	101,
	3,
	4,
	2,
	e
]) });
// node_modules/@noble/hashes/_md.js
function za(e, t, n) {
	return e & t ^ ~e & n;
}
function Ba(e, t, n) {
	return e & t ^ e & n ^ t & n;
}
var Va = class {
	blockLen;
	outputLen;
	canXOF = !1;
	padOffset;
	isLE;
	buffer;
	view;
	finished = !1;
	length = 0;
	pos = 0;
	destroyed = !1;
	constructor(e, t, n, r) {
		this.blockLen = e, this.outputLen = t, this.padOffset = n, this.isLE = r, this.buffer = new Uint8Array(e), this.view = Ca(this.buffer);
	}
	update(e) {
		ya(this), U(e);
		let { view: t, buffer: n, blockLen: r } = this, i = e.length, a = !1;
		for (let o = 0; o < i;) {
			let s = Math.min(r - this.pos, i - o);
			if (s === r) {
				let t = Ca(e);
				for (; r <= i - o; o += r) this.process(t, o);
				a = !0;
			} else n.set(o === 0 && s === i ? e : e.subarray(o, o + s), this.pos), this.pos += s, o += s, this.pos === r && (this.process(t, 0), this.pos = 0, a = !0);
		}
		return this.length += e.length, a && this.roundClean(), this;
	}
	digestInto(e) {
		ya(this), ba(e, this), this.finished = !0;
		let { buffer: t, view: n, blockLen: r, isLE: i } = this, { pos: a } = this;
		t[a++] = 128, t.fill(0, a), this.padOffset > r - a && (this.process(n, 0), t.fill(0)), $i(n, r - 8, this.length * 8, i), this.process(n, 0), this.roundClean();
		let o = e === t ? n : Ca(e), s = this.outputLen, c = s / 4, l = this.get();
		if (s % 4 || c > l.length) throw Error("invalid outputLen");
		for (let e = 0; e < c; e++) o.setUint32(4 * e, l[e], i);
	}
	digest() {
		let { buffer: e, outputLen: t } = this;
		this.digestInto(e);
		let n = e.slice(0, t);
		return this.destroy(), n;
	}
	_cloneIntoMeta(e) {
		let { buffer: t, length: n, finished: r, destroyed: i, pos: a } = this;
		return e.destroyed = i, e.finished = r, e.length = n, e.pos = a, a && e.buffer.set(t), e;
	}
	clone() {
		return this._cloneInto();
	}
}, Ha = /* @__PURE__ */ Uint32Array.from([
	1779033703,
	3144134277,
	1013904242,
	2773480762,
	1359893119,
	2600822924,
	528734635,
	1541459225
]), Ua = /* @__PURE__ */ Uint32Array.from([
	1779033703,
	4089235720,
	3144134277,
	2227873595,
	1013904242,
	4271175723,
	2773480762,
	1595750129,
	1359893119,
	2917565137,
	2600822924,
	725511199,
	528734635,
	4215389547,
	1541459225,
	327033209
]), Wa = /* @__PURE__ */ Uint32Array.from([
	1116352408,
	1899447441,
	3049323471,
	3921009573,
	961987163,
	1508970993,
	2453635748,
	2870763221,
	3624381080,
	310598401,
	607225278,
	1426881987,
	1925078388,
	2162078206,
	2614888103,
	3248222580,
	3835390401,
	4022224774,
	264347078,
	604807628,
	770255983,
	1249150122,
	1555081692,
	1996064986,
	2554220882,
	2821834349,
	2952996808,
	3210313671,
	3336571891,
	3584528711,
	113926993,
	338241895,
	666307205,
	773529912,
	1294757372,
	1396182291,
	1695183700,
	1986661051,
	2177026350,
	2456956037,
	2730485921,
	2820302411,
	3259730800,
	3345764771,
	3516065817,
	3600352804,
	4094571909,
	275423344,
	430227734,
	506948616,
	659060556,
	883997877,
	958139571,
	1322822218,
	1537002063,
	1747873779,
	1955562222,
	2024104815,
	2227730452,
	2361852424,
	2428436474,
	2756734187,
	3204031479,
	3329325298
]), Ga = /* @__PURE__ */ new Uint32Array(64), Ka = class extends Va {
	A = 0;
	B = 0;
	C = 0;
	D = 0;
	E = 0;
	F = 0;
	G = 0;
	H = 0;
	constructor(e, t) {
		super(64, e, 8, !1), this.A = t[0] | 0, this.B = t[1] | 0, this.C = t[2] | 0, this.D = t[3] | 0, this.E = t[4] | 0, this.F = t[5] | 0, this.G = t[6] | 0, this.H = t[7] | 0;
	}
	get() {
		let { A: e, B: t, C: n, D: r, E: i, F: a, G: o, H: s } = this;
		return [
			e,
			t,
			n,
			r,
			i,
			a,
			o,
			s
		];
	}
	set(e, t, n, r, i, a, o, s) {
		this.A = e | 0, this.B = t | 0, this.C = n | 0, this.D = r | 0, this.E = i | 0, this.F = a | 0, this.G = o | 0, this.H = s | 0;
	}
	_cloneInto(e) {
		return (e ||= new this.constructor()).set(...this.get()), this._cloneIntoMeta(e);
	}
	process(e, t) {
		for (let n = 0; n < 16; n++, t += 4) Ga[n] = e.getUint32(t, !1);
		for (let e = 16; e < 64; e++) {
			let t = Ga[e - 15], n = Ga[e - 2], r = W(t, 7) ^ W(t, 18) ^ t >>> 3, i = W(n, 17) ^ W(n, 19) ^ n >>> 10;
			Ga[e] = i + Ga[e - 7] + r + Ga[e - 16] | 0;
		}
		let { A: n, B: r, C: i, D: a, E: o, F: s, G: c, H: l } = this;
		for (let e = 0; e < 64; e++) {
			let t = W(o, 6) ^ W(o, 11) ^ W(o, 25), u = l + t + za(o, s, c) + Wa[e] + Ga[e] | 0, d = (W(n, 2) ^ W(n, 13) ^ W(n, 22)) + Ba(n, r, i) | 0;
			l = c, c = s, s = o, o = a + u | 0, a = i, i = r, r = n, n = u + d | 0;
		}
		n = n + this.A | 0, r = r + this.B | 0, i = i + this.C | 0, a = a + this.D | 0, o = o + this.E | 0, s = s + this.F | 0, c = c + this.G | 0, l = l + this.H | 0, this.set(n, r, i, a, o, s, c, l);
	}
	roundClean() {
		Sa(Ga);
	}
	destroy() {
		this.destroyed = !0, this.set(0, 0, 0, 0, 0, 0, 0, 0), Sa(this.buffer);
	}
}, qa = class extends Ka {
	constructor() {
		super(32, Ha);
	}
}, Ja = /* @__PURE__ */ Xi((/* @__PURE__ */ "0x428a2f98d728ae22.0x7137449123ef65cd.0xb5c0fbcfec4d3b2f.0xe9b5dba58189dbbc.0x3956c25bf348b538.0x59f111f1b605d019.0x923f82a4af194f9b.0xab1c5ed5da6d8118.0xd807aa98a3030242.0x12835b0145706fbe.0x243185be4ee4b28c.0x550c7dc3d5ffb4e2.0x72be5d74f27b896f.0x80deb1fe3b1696b1.0x9bdc06a725c71235.0xc19bf174cf692694.0xe49b69c19ef14ad2.0xefbe4786384f25e3.0x0fc19dc68b8cd5b5.0x240ca1cc77ac9c65.0x2de92c6f592b0275.0x4a7484aa6ea6e483.0x5cb0a9dcbd41fbd4.0x76f988da831153b5.0x983e5152ee66dfab.0xa831c66d2db43210.0xb00327c898fb213f.0xbf597fc7beef0ee4.0xc6e00bf33da88fc2.0xd5a79147930aa725.0x06ca6351e003826f.0x142929670a0e6e70.0x27b70a8546d22ffc.0x2e1b21385c26c926.0x4d2c6dfc5ac42aed.0x53380d139d95b3df.0x650a73548baf63de.0x766a0abb3c77b2a8.0x81c2c92e47edaee6.0x92722c851482353b.0xa2bfe8a14cf10364.0xa81a664bbc423001.0xc24b8b70d0f89791.0xc76c51a30654be30.0xd192e819d6ef5218.0xd69906245565a910.0xf40e35855771202a.0x106aa07032bbd1b8.0x19a4c116b8d2d0c8.0x1e376c085141ab53.0x2748774cdf8eeb99.0x34b0bcb5e19b48a8.0x391c0cb3c5c95a63.0x4ed8aa4ae3418acb.0x5b9cca4f7763e373.0x682e6ff3d6b2b8a3.0x748f82ee5defb2fc.0x78a5636f43172f60.0x84c87814a1f0ab72.0x8cc702081a6439ec.0x90befffa23631e28.0xa4506cebde82bde9.0xbef9a3f7b2c67915.0xc67178f2e372532b.0xca273eceea26619c.0xd186b8c721c0c207.0xeada7dd6cde0eb1e.0xf57d4f7fee6ed178.0x06f067aa72176fba.0x0a637dc5a2c898a6.0x113f9804bef90dae.0x1b710b35131c471b.0x28db77f523047d84.0x32caab7b40c72493.0x3c9ebe0a15c9bebc.0x431d67c49c100d4c.0x4cc5d4becb3e42b6.0x597f299cfc657e2a.0x5fcb6fab3ad6faec.0x6c44198c4a475817".split(".")).map((e) => BigInt(e))), Ya = Ja[0], Xa = Ja[1], Za = /* @__PURE__ */ new Uint32Array(80), Qa = /* @__PURE__ */ new Uint32Array(80), $a = class extends Va {
	Ah = 0;
	Al = 0;
	Bh = 0;
	Bl = 0;
	Ch = 0;
	Cl = 0;
	Dh = 0;
	Dl = 0;
	Eh = 0;
	El = 0;
	Fh = 0;
	Fl = 0;
	Gh = 0;
	Gl = 0;
	Hh = 0;
	Hl = 0;
	constructor(e, t) {
		super(128, e, 16, !1), this.Ah = t[0] | 0, this.Al = t[1] | 0, this.Bh = t[2] | 0, this.Bl = t[3] | 0, this.Ch = t[4] | 0, this.Cl = t[5] | 0, this.Dh = t[6] | 0, this.Dl = t[7] | 0, this.Eh = t[8] | 0, this.El = t[9] | 0, this.Fh = t[10] | 0, this.Fl = t[11] | 0, this.Gh = t[12] | 0, this.Gl = t[13] | 0, this.Hh = t[14] | 0, this.Hl = t[15] | 0;
	}
	get() {
		let { Ah: e, Al: t, Bh: n, Bl: r, Ch: i, Cl: a, Dh: o, Dl: s, Eh: c, El: l, Fh: u, Fl: d, Gh: f, Gl: p, Hh: m, Hl: h } = this;
		return [
			e,
			t,
			n,
			r,
			i,
			a,
			o,
			s,
			c,
			l,
			u,
			d,
			f,
			p,
			m,
			h
		];
	}
	set(e, t, n, r, i, a, o, s, c, l, u, d, f, p, m, h) {
		this.Ah = e | 0, this.Al = t | 0, this.Bh = n | 0, this.Bl = r | 0, this.Ch = i | 0, this.Cl = a | 0, this.Dh = o | 0, this.Dl = s | 0, this.Eh = c | 0, this.El = l | 0, this.Fh = u | 0, this.Fl = d | 0, this.Gh = f | 0, this.Gl = p | 0, this.Hh = m | 0, this.Hl = h | 0;
	}
	_cloneInto(e) {
		return (e ||= new this.constructor()).set(...this.get()), this._cloneIntoMeta(e);
	}
	process(e, t) {
		for (let n = 0; n < 16; n++, t += 4) Za[n] = e.getUint32(t), Qa[n] = e.getUint32(t += 4);
		for (let e = 16; e < 80; e++) {
			let t = Za[e - 15] | 0, n = Qa[e - 15] | 0, r = na(t, n, 1) ^ na(t, n, 8) ^ ea(t, n, 7), i = ra(t, n, 1) ^ ra(t, n, 8) ^ ta(t, n, 7), a = Za[e - 2] | 0, o = Qa[e - 2] | 0, s = na(a, o, 19) ^ ia(a, o, 61) ^ ea(a, o, 6), c = la(i, ra(a, o, 19) ^ aa(a, o, 61) ^ ta(a, o, 6), Qa[e - 7], Qa[e - 16]), l = ua(c, r, s, Za[e - 7], Za[e - 16]);
			Za[e] = l | 0, Qa[e] = c | 0;
		}
		let { Ah: n, Al: r, Bh: i, Bl: a, Ch: o, Cl: s, Dh: c, Dl: l, Eh: u, El: d, Fh: f, Fl: p, Gh: m, Gl: h, Hh: g, Hl: _ } = this;
		for (let e = 0; e < 80; e++) {
			let t = na(u, d, 14) ^ na(u, d, 18) ^ ia(u, d, 41), v = ra(u, d, 14) ^ ra(u, d, 18) ^ aa(u, d, 41), y = u & f ^ ~u & m, b = d & p ^ ~d & h, x = da(_, v, b, Xa[e], Qa[e]), S = fa(x, g, t, y, Ya[e], Za[e]), C = x | 0, w = na(n, r, 28) ^ ia(n, r, 34) ^ ia(n, r, 39), T = ra(n, r, 28) ^ aa(n, r, 34) ^ aa(n, r, 39), E = n & i ^ n & o ^ i & o, ee = r & a ^ r & s ^ a & s;
			g = m | 0, _ = h | 0, m = f | 0, h = p | 0, f = u | 0, p = d | 0, {h: u, l: d} = oa(c | 0, l | 0, S | 0, C | 0), c = o | 0, l = s | 0, o = i | 0, s = a | 0, i = n | 0, a = r | 0;
			let D = sa(C, T, ee);
			n = ca(D, S, w, E), r = D | 0;
		}
		({h: n, l: r} = oa(this.Ah | 0, this.Al | 0, n | 0, r | 0)), {h: i, l: a} = oa(this.Bh | 0, this.Bl | 0, i | 0, a | 0), {h: o, l: s} = oa(this.Ch | 0, this.Cl | 0, o | 0, s | 0), {h: c, l: l} = oa(this.Dh | 0, this.Dl | 0, c | 0, l | 0), {h: u, l: d} = oa(this.Eh | 0, this.El | 0, u | 0, d | 0), {h: f, l: p} = oa(this.Fh | 0, this.Fl | 0, f | 0, p | 0), {h: m, l: h} = oa(this.Gh | 0, this.Gl | 0, m | 0, h | 0), {h: g, l: _} = oa(this.Hh | 0, this.Hl | 0, g | 0, _ | 0), this.set(n, r, i, a, o, s, c, l, u, d, f, p, m, h, g, _);
	}
	roundClean() {
		Sa(Za, Qa);
	}
	destroy() {
		this.destroyed = !0, Sa(this.buffer), this.set(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
	}
}, eo = class extends $a {
	constructor() {
		super(64, Ua);
	}
}, to = /* @__PURE__ */ Ia(() => new qa(), /* @__PURE__ */ Ra(1)), no = /* @__PURE__ */ Ia(() => new eo(), /* @__PURE__ */ Ra(3));
// node_modules/@noble/curves/utils.js
function ro(e, t, n = () => {}) {
	if (!Array.isArray(e)) throw TypeError(`"${t}" expected array, got type=${typeof e}`);
	for (let r = 0; r < e.length; r++) n(e[r], `${t}[${r}]`);
	return e;
}
var G = (e, t, n) => U(e, t, n), io = ha;
function ao(e, t = "object") {
	if (typeof e != "object" || !e || Array.isArray(e)) throw TypeError(t === "object" ? "expected valid options object" : `"${t}" expected object, got type=${typeof e}`);
	return e;
}
function oo(e, t) {
	if (typeof e != "function") throw TypeError(`"${t}" is invalid: expected function, got ${typeof e}`);
	return e;
}
var so = ja, co = (...e) => Pa(...e), lo = (e) => Na(e), uo = pa, fo = (e) => La(e), po = /* @__PURE__ */ BigInt(0), mo = /* @__PURE__ */ BigInt(1), ho = (e) => e ? `"${e}" ` : "";
function go(e, t = "") {
	if (typeof e != "boolean") throw TypeError(ho(t) + "expected boolean, got type=" + typeof e);
	return e;
}
function _o(e) {
	if (typeof e == "bigint") {
		if (!To(e)) throw RangeError("positive bigint expected, got " + e);
	} else io(e);
	return e;
}
function vo(e, t = "") {
	if (typeof e != "number") {
		let n = t && `"${t}" `;
		throw TypeError(n + "expected number, got type=" + typeof e);
	}
	if (!Number.isSafeInteger(e)) {
		let n = t && `"${t}" `;
		throw RangeError(n + "expected safe integer, got " + e);
	}
}
function yo(e) {
	if (typeof e != "string") throw TypeError("hex string expected, got " + typeof e);
	return e === "" ? po : BigInt("0x" + e);
}
function bo(e) {
	return yo(ja(e));
}
function xo(e) {
	return yo(ja(wo(U(e)).reverse()));
}
function So(e, t) {
	if (ha(t), t === 0) throw Error("zero output length is invalid");
	e = _o(e);
	let n = t * 2, r = e.toString(16);
	if (r.length > n) throw RangeError("number is too large");
	return Na(r.padStart(n, "0"));
}
function Co(e, t) {
	return So(e, t).reverse();
}
function wo(e) {
	return Uint8Array.from(G(e));
}
function To(e) {
	return typeof e == "bigint" && po <= e;
}
function Eo(e, t, n) {
	return To(e) && To(t) && To(n) && t <= e && e < n;
}
function Do(e, t, n, r) {
	if (!Eo(t, n, r)) throw RangeError("expected valid " + e + ": " + n + " <= n < " + r + ", got " + t);
}
function Oo(e) {
	if (e < po) throw Error("expected non-negative bigint, got " + e);
	return e === po ? 0 : e.toString(2).length;
}
var ko = (e) => (vo(e, "n"), (mo << BigInt(e)) - mo);
function Ao(e, t = {}, n = {}, r = "object") {
	ao(e, r), ao(t, "fields"), ao(n, "optFields");
	function i(t, n, i) {
		let a = r === "object" ? `param "${String(t)}"` : `"${r}.${String(t)}"`, o = e[t];
		if (!Object.hasOwn(e, t) && (i ? o !== void 0 : n !== "function")) throw TypeError(`${a} is invalid: expected own property`);
		if (i && o === void 0) return;
		let s = typeof o;
		if (s !== n || o === null) throw TypeError(`${a} is invalid: expected ${n}, got ${s}`);
	}
	let a = (e, t) => Object.entries(e).forEach(([e, n]) => i(e, n, t));
	a(t, !1), a(n, !0);
}
// node_modules/@noble/curves/abstract/modular.js
var K = /* @__PURE__ */ BigInt(0), q = /* @__PURE__ */ BigInt(1), jo = /* @__PURE__ */ BigInt(2), Mo = /* @__PURE__ */ BigInt(3), No = /* @__PURE__ */ BigInt(4), Po = /* @__PURE__ */ BigInt(5), Fo = /* @__PURE__ */ BigInt(7), Io = /* @__PURE__ */ BigInt(8), Lo = /* @__PURE__ */ BigInt(9), Ro = /* @__PURE__ */ BigInt(15), zo = /* @__PURE__ */ BigInt(16), Bo = /* @__PURE__ */ BigInt("0x10000000000000000");
function J(e, t) {
	if (t <= K) throw Error("mod: expected positive modulus, got " + t);
	let n = e % t;
	return n >= K ? n : t + n;
}
function Vo(e, t, n) {
	if (n <= q) throw Error("pow: expected modulus > 1, got " + n);
	if (typeof t != "bigint") throw TypeError("invalid exponent: expected bigint, got " + typeof t);
	if (t < K) throw Error("invalid exponent, negatives unsupported");
	if (t === K) return q;
	if (t === q) return e;
	let r = e % n;
	if (r < K && (r += n), t < Bo) {
		let e = q;
		for (; t > K;) t & q && (e = e * r % n), r = r * r % n, t >>= q;
		return e;
	}
	let i = [];
	for (; t > K;) i.push(Number(t & Ro)), t >>= No;
	let a = Array(16);
	a[0] = q, a[1] = r;
	for (let e = 2; e < 16; e++) a[e] = a[e - 1] * r % n;
	let o = a[i[i.length - 1]];
	for (let e = i.length - 2; e >= 0; e--) {
		o = o * o % n, o = o * o % n, o = o * o % n, o = o * o % n;
		let t = i[e];
		t !== 0 && (o = o * a[t] % n);
	}
	return o;
}
function Y(e, t, n) {
	if (n <= q) throw Error("pow2: expected modulus > 1, got " + n);
	if (t < K) throw Error("pow2: expected non-negative exponent, got " + t);
	let r = e;
	for (; t-- > K;) r *= r, r %= n;
	return r;
}
function Ho(e, t) {
	if (e === K) throw Error("invert: expected non-zero number");
	if (t <= q) throw Error("invert: expected modulus > 1, got " + t);
	let n = J(e, t), r = t, i = K, a = q;
	for (; n !== K;) {
		let e = r / n, t = r - n * e, o = i - a * e;
		r = n, n = t, i = a, a = o;
	}
	if (r !== q) throw Error("invert: does not exist");
	return J(i, t);
}
function Uo(e, t, n) {
	let r = e;
	if (!r.eql(r.sqr(t), n)) throw Error("Cannot find square root");
}
function Wo(e, t) {
	if ((e & q) === K) throw Error(t + ": expected odd modulus, got " + e);
}
function Go(e, t) {
	let n = e, r = (n.ORDER + q) / No, i = n.pow(t, r);
	return Uo(n, i, t), i;
}
function Ko(e, t) {
	let n = e, r = (n.ORDER - Po) / Io, i = n.mul(t, jo), a = n.pow(i, r), o = n.mul(t, a), s = n.mul(n.mul(o, jo), a), c = n.mul(o, n.sub(s, n.ONE));
	return Uo(n, c, t), c;
}
function qo(e) {
	let t = is(e), n = Jo(e), r = n(t, t.neg(t.ONE)), i = n(t, r), a = n(t, t.neg(r)), o = (e + Fo) / zo;
	return ((e, t) => {
		let n = e, s = n.pow(t, o), c = n.mul(s, r), l = n.mul(s, i), u = n.mul(s, a), d = n.eql(n.sqr(c), t), f = n.eql(n.sqr(l), t);
		s = n.cmov(s, c, d), c = n.cmov(u, l, f);
		let p = n.eql(n.sqr(c), t), m = n.cmov(s, c, p);
		return Uo(n, m, t), m;
	});
}
function Jo(e) {
	if (e < Mo) throw Error("sqrt is not defined for small field");
	Wo(e, "tonelliShanks");
	let t = e - q, n = 0;
	for (; t % jo === K;) t /= jo, n++;
	let r = jo, i = is(e);
	for (; es(i, r) === 1;) if (r++ > 1e3) throw Error("Cannot find square root: probably non-prime P");
	if (n === 1) return Go;
	let a = i.pow(r, t), o = (t + q) / jo;
	return function(e, r) {
		let i = e;
		if (i.is0(r)) return r;
		if (es(i, r) !== 1) throw Error("Cannot find square root");
		let s = n, c = i.mul(i.ONE, a), l = i.pow(r, t), u = i.pow(r, o);
		for (; !i.eql(l, i.ONE);) {
			if (i.is0(l)) throw Error("Cannot find square root: probably non-prime P");
			let e = 1, t = i.sqr(l);
			for (; !i.eql(t, i.ONE);) if (e++, t = i.sqr(t), e === s) throw Error("Cannot find square root");
			let n = q << BigInt(s - e - 1), r = i.pow(c, n);
			s = e, c = i.sqr(r), l = i.mul(l, c), u = i.mul(u, r);
		}
		return u;
	};
}
function Yo(e) {
	return Wo(e, "Fp.sqrt"), e % No === Mo ? Go : e % Io === Po ? Ko : e % zo === Lo ? qo(e) : Jo(e);
}
var Xo = (e, t) => (J(e, t) & q) === q, Zo = [
	"create",
	"isValid",
	"is0",
	"neg",
	"inv",
	"sqrt",
	"sqr",
	"eql",
	"add",
	"sub",
	"mul",
	"pow",
	"div",
	"addN",
	"subN",
	"mulN",
	"sqrN"
];
function Qo(e) {
	if (ao(e, "field"), typeof e.ORDER != "bigint") throw TypeError("param \"ORDER\" is invalid: expected bigint, got " + typeof e.ORDER);
	vo(e.BYTES, "BYTES"), vo(e.BITS, "BITS");
	for (let t of Zo) oo(e[t], "field." + t);
	if (e.BYTES < 1 || e.BITS < 1) throw Error("invalid field: expected BYTES/BITS > 0");
	if (e.ORDER <= q) throw Error("invalid field: expected ORDER > 1, got " + e.ORDER);
	return e;
}
function $o(e, t, n = !1) {
	Qo(e), ro(t, "nums"), go(n, "passZero");
	let r = e, i = Array(t.length).fill(n ? r.ZERO : void 0), a = t.reduce((e, t, n) => r.is0(t) ? e : (i[n] = e, r.mul(e, t)), r.ONE), o = r.inv(a);
	return t.reduceRight((e, t, n) => r.is0(t) ? e : (i[n] = r.mul(e, i[n]), r.mul(e, t)), o), i;
}
function es(e, t) {
	Qo(e);
	let n = e;
	Wo(n.ORDER, "FpLegendre");
	let r = (n.ORDER - q) / jo, i = n.pow(t, r), a = n.eql(i, n.ONE), o = n.eql(i, n.ZERO), s = n.eql(i, n.neg(n.ONE));
	if (!a && !o && !s) throw Error("invalid Legendre symbol result");
	return a ? 1 : o ? 0 : -1;
}
function ts(e, t) {
	if (t !== void 0 && io(t), e <= K) throw Error("invalid n length: expected positive n, got " + e);
	if (t !== void 0 && t < 1) throw Error("invalid n length: expected positive bit length, got " + t);
	let n = Oo(e);
	if (t !== void 0 && t < n) throw Error(`invalid n length: expected nBitLength (${t}) >= bitLen(n) (${n})`);
	let r = t === void 0 ? n : t;
	return {
		nBitLength: r,
		nByteLength: Math.ceil(r / 8)
	};
}
var ns = /* @__PURE__ */ new WeakMap(), rs = class {
	ORDER;
	BITS;
	BYTES;
	isLE;
	ZERO = K;
	ONE = q;
	_lengths;
	_mod;
	constructor(e, t = {}) {
		if (e <= q) throw Error("invalid field: expected ORDER > 1, got " + e);
		let n;
		this.isLE = !1, typeof t == "object" && t && (typeof t.BITS == "number" && (n = t.BITS), typeof t.sqrt == "function" && Object.defineProperty(this, "sqrt", {
			value: t.sqrt,
			enumerable: !0
		}), typeof t.isLE == "boolean" && (this.isLE = t.isLE), t.allowedLengths && (this._lengths = Object.freeze(t.allowedLengths.slice())), typeof t.modFromBytes == "boolean" && (this._mod = t.modFromBytes));
		let { nBitLength: r, nByteLength: i } = ts(e, n);
		if (i > 2048) throw Error("invalid field: expected ORDER of <= 2048 bytes");
		this.ORDER = e, this.BITS = r, this.BYTES = i, Object.freeze(this);
	}
	create(e) {
		return J(e, this.ORDER);
	}
	isValid(e) {
		if (typeof e != "bigint") throw TypeError("invalid field element: expected bigint, got " + typeof e);
		return K <= e && e < this.ORDER;
	}
	is0(e) {
		return e === K;
	}
	isValidNot0(e) {
		return !this.is0(e) && this.isValid(e);
	}
	isOdd(e) {
		return (e & q) === q;
	}
	neg(e) {
		return J(-e, this.ORDER);
	}
	eql(e, t) {
		return e === t;
	}
	sqr(e) {
		return J(e * e, this.ORDER);
	}
	add(e, t) {
		return J(e + t, this.ORDER);
	}
	sub(e, t) {
		return J(e - t, this.ORDER);
	}
	mul(e, t) {
		return J(e * t, this.ORDER);
	}
	pow(e, t) {
		return Vo(e, t, this.ORDER);
	}
	div(e, t) {
		return J(e * Ho(t, this.ORDER), this.ORDER);
	}
	sqrN(e) {
		return e * e;
	}
	addN(e, t) {
		return e + t;
	}
	subN(e, t) {
		return e - t;
	}
	mulN(e, t) {
		return e * t;
	}
	inv(e) {
		return Ho(e, this.ORDER);
	}
	sqrt(e) {
		let t = ns.get(this);
		return t || ns.set(this, t = Yo(this.ORDER)), t(this, e);
	}
	toBytes(e) {
		return this.isLE ? Co(e, this.BYTES) : So(e, this.BYTES);
	}
	fromBytes(e, t = !1) {
		G(e);
		let { _lengths: n, BYTES: r, isLE: i, ORDER: a, _mod: o } = this;
		if (n) {
			if (e.length < 1 || !n.includes(e.length) || e.length > r) throw Error("Field.fromBytes: expected " + n + " bytes, got " + e.length);
			let t = new Uint8Array(r);
			t.set(e, i ? 0 : t.length - e.length), e = t;
		}
		if (e.length !== r) throw Error("Field.fromBytes: expected " + r + " bytes, got " + e.length);
		let s = i ? xo(e) : bo(e);
		if (o && (s = J(s, a)), !t && !this.isValid(s)) throw Error("invalid field element: outside of range 0..ORDER");
		return s;
	}
	invertBatch(e) {
		return $o(this, e, !0);
	}
	cmov(e, t, n) {
		return go(n, "condition"), n ? t : e;
	}
};
function is(e, t = {}) {
	return Object.freeze(rs.prototype), new rs(e, t);
}
// node_modules/@noble/curves/abstract/curve.js
var as = /* @__PURE__ */ BigInt(0), os = /* @__PURE__ */ BigInt(1), ss = /* @__PURE__ */ BigInt(4), cs = 16, ls = 128, us = 5, ds = 2 ** 31;
function fs(e) {
	let t = e;
	if (typeof t != "function") throw TypeError("\"Point\" expected constructor, got type=" + typeof e);
	oo(t.fromAffine, "Point.fromAffine"), oo(t.fromBytes, "Point.fromBytes"), oo(t.fromHex, "Point.fromHex"), ao(t.BASE, "Point.BASE"), ao(t.ZERO, "Point.ZERO"), Qo(t.Fp), Qo(t.Fn);
}
function ps(e, t) {
	fs(e), _s(t, e);
	let n = $o(e.Fp, t.map((e) => e.Z));
	return t.map((t, r) => e.fromAffine(t.toAffine(n[r])));
}
function ms(e, t, n = 1) {
	if (!Number.isSafeInteger(e) || e < n || e > t) throw Error("invalid window size, expected [" + n + ".." + t + "], got W=" + e);
}
function hs(e, t) {
	let n = e * (4 * t + 128);
	if (n > ds) throw Error("invalid window size: table would need ~" + Math.ceil(n / 2 ** 20) + " MiB, max " + ds / 2 ** 20 + " MiB");
}
function gs(e, t) {
	if (e !== void 0) {
		oo(e, "randomBytes");
		try {
			let n = e(t);
			if (!uo(n) || n.length !== t) return;
		} catch {
			return;
		}
		return e;
	}
}
function _s(e, t) {
	ro(e, "points"), e.forEach((e, n) => {
		if (!(e instanceof t)) throw Error("invalid point at index " + n);
	});
}
function vs(e, t, n) {
	if (!Array.isArray(e)) throw Error("array of scalars expected");
	e.forEach((e, r) => {
		if (!(n === void 0 ? t.isValid(e) : To(e) && e < n)) throw Error("invalid scalar at index " + r);
	});
}
var ys = /* @__PURE__ */ new WeakMap();
function bs(e) {
	return ys.get(e) || 1;
}
function xs(e, t) {
	let n = e.double(), r = [e];
	for (let e = 1; e < t; e++) r.push(r[e - 1].add(n));
	return r;
}
function Ss(e, t) {
	let n = 2 ** t, r = n / 2, i = BigInt(n - 1), a = [];
	for (; e > as;) {
		let t = 0;
		e & os && (t = Number(e & i), t >= r && (t -= n), e -= BigInt(t)), a.push(t), e >>= os;
	}
	return a;
}
function Cs(e, t, n) {
	let r = 2 ** t, i = r / 2, a = BigInt(r - 1), o = BigInt(t), s = [];
	for (let t = 0; t < n; t++) {
		let t = Number(e & a);
		e >>= o, t > i && (t -= r, e += os), s.push(t);
	}
	if (e !== as) throw Error("invalid wnaf");
	return s;
}
function ws(e, t, n) {
	let r = 0;
	for (let e of n) r = Math.max(r, e.length);
	let i = e;
	for (let e = r - 1; e >= 0; e--) {
		e !== r - 1 && (i = i.double());
		for (let r = 0; r < n.length; r++) {
			let a = n[r][e];
			if (a) {
				let e = t[r][Math.abs(a) - 1 >> 1];
				i = i.add(a < 0 ? e.negate() : e);
			}
		}
	}
	return i;
}
var Ts = class {
	Point;
	BASE;
	ZERO;
	randomBytes;
	wnafPrecomputes = /* @__PURE__ */ new WeakMap();
	baseCanBeBlinded;
	bits;
	constructor(e, t) {
		fs(e), this.randomBytes = gs(t, cs), this.Point = e, this.BASE = e.BASE, this.ZERO = e.ZERO, this.bits = e.Fn.BITS;
	}
	buildWnafTable(e, t, n) {
		let r = Math.ceil(n / t) + 1, i = 2 ** (t - 1), a = [], o = e;
		for (let e = 0; e < r; e++) {
			let e = o;
			for (let t = 0; t < i; t++) a.push(e), e = e.add(o);
			o = a[a.length - 1].double();
		}
		return {
			W: t,
			bits: n,
			windows: r,
			comp: a
		};
	}
	wnafCachedCT(e, t) {
		let { W: n, windows: r, comp: i } = e, a = 2 ** (n - 1), o = Cs(t, n, r), s = this.ZERO, c = this.BASE;
		for (let e = 0; e < r; e++) {
			let t = o[e], n = e * a, r = Math.abs(t) - 1, l = i[n];
			for (let e = 1; e < a; e++) l = e === r ? i[n + e] : l;
			let u = l.negate();
			t === 0 ? c = c.add(i[n]) : s = s.add(t < 0 ? u : l);
		}
		return {
			p: s,
			f: c
		};
	}
	getWnafPrecomputes(e, t, n, r) {
		let i = this.wnafPrecomputes.get(t), a = i?.find((t) => t.W === e && t.bits === n);
		return a || (a = this.buildWnafTable(t, e, n), typeof r == "function" && (a = {
			...a,
			comp: r(a.comp)
		}), i || (i = [], this.wnafPrecomputes.set(t, i)), i.push(a)), a;
	}
	assertPoint(e) {
		if (!(e instanceof this.Point)) throw TypeError("\"point\" expected Point instance, got type=" + typeof e);
	}
	validateMulInput(e, t) {
		if (this.assertPoint(e), !Eo(t, os, this.Point.Fn.ORDER)) throw Error("invalid scalar");
	}
	runCT(e, t, n, r) {
		let i = bs(e);
		return i === 1 ? this.fixedWindowCT(e, t, n) : this.wnafCachedCT(this.getWnafPrecomputes(i, e, n, r), t);
	}
	mulCT(e, t, n) {
		return this.validateMulInput(e, t), this.runCT(e, t, this.bits, n);
	}
	mulCTBlinded(e, t, n) {
		if (this.validateMulInput(e, t), this.randomBytes === void 0) throw Error("randomBytes is required for scalar blinding");
		let r = this.Point.Fn.BITS + ls, i = this.randomBytes(cs);
		if (!uo(i) || i.length !== cs) throw Error("randomBytes returned invalid byte array");
		i[0] = i[0] & 63 | 128;
		let a = t + bo(i) * this.Point.Fn.ORDER;
		return this.runCT(e, a, r, n);
	}
	fixedWindowCT(e, t, n) {
		let r = us, i = ko(r), a = Array(32);
		a[0] = this.ZERO;
		for (let t = 1; t < 32; t++) a[t] = a[t - 1].add(e);
		let o = Math.ceil(n / r), s = this.ZERO;
		for (let e = o - 1; e >= 0; e--) {
			if (e !== o - 1) for (let e = 0; e < r; e++) s = s.double();
			let n = Number(t >> BigInt(e * r) & i), c = a[0];
			for (let e = 1; e < 32; e++) c = e === n ? a[e] : c;
			s = s.add(c);
		}
		return {
			p: s,
			f: s
		};
	}
	shouldBlind(e, t) {
		return this.randomBytes === void 0 ? !1 : t === os || e === this.BASE && (this.baseCanBeBlinded === void 0 && (this.baseCanBeBlinded = this.mulUnsafe(this.BASE, this.Point.Fn.ORDER).is0()), this.baseCanBeBlinded);
	}
	mulSecret(e, t, n, r) {
		return this.shouldBlind(e, n) ? this.mulCTBlinded(e, t, r) : this.mulCT(e, t, r);
	}
	mulUnsafe(e, t, n) {
		if (this.assertPoint(e), !To(t)) throw Error("invalid scalar");
		let r = bs(e);
		if (r === 1 || t >= this.Point.Fn.ORDER) return Es(this.Point, [e], [t], !0);
		let i = this.getWnafPrecomputes(r, e, this.bits, n);
		return this.wnafCachedCT(i, t).p;
	}
	setWindowSize(e, t) {
		this.assertPoint(e), ms(t, this.bits), hs((Math.ceil((this.bits + ls) / t) + 1) * 2 ** (t - 1), this.Point.Fp.BYTES), ys.set(e, t), this.wnafPrecomputes.delete(e);
	}
	hasWindowSize(e) {
		return bs(e) !== 1;
	}
};
function Es(e, t, n, r = !1) {
	if (fs(e), _s(t, e), go(r, "allowOversized"), vs(n, e.Fn, r ? e.Fn.ORDER ** ss : void 0), t.length !== n.length) throw Error("arrays of points and scalars must have equal length");
	let i = t.map((e) => xs(e, 4)), a = n.map((e) => Ss(e, 4));
	return ws(e.ZERO, i, a);
}
function Ds(e, t, n) {
	if (t) {
		if (t.ORDER !== e) throw Error("Field.ORDER must match order: Fp == p, Fn == n");
		return Qo(t), t;
	}
	return is(e, { isLE: n });
}
function Os(e, t, n = {}, r) {
	if (e !== "weierstrass" && e !== "edwards") throw Error("expected curve type \"weierstrass\" or \"edwards\"");
	if (r === void 0 && (r = e === "edwards"), !t || typeof t != "object") throw Error(`expected valid ${e} CURVE object`);
	Ao(n);
	for (let e of [
		"p",
		"n",
		"h"
	]) {
		let n = t[e];
		if (!(To(n) && n !== as)) throw Error(`CURVE.${e} must be positive bigint`);
	}
	let i = Ds(t.p, n.Fp, r), a = Ds(t.n, n.Fn, r), o = [
		"Gx",
		"Gy",
		"a",
		e === "weierstrass" ? "b" : "d"
	];
	for (let e of o) if (!i.isValid(t[e])) throw Error(`CURVE.${e} must be valid field element of CURVE.Fp`);
	return t = Object.freeze(Object.assign({}, t)), {
		CURVE: t,
		Fp: i,
		Fn: a
	};
}
function ks(e, t) {
	return function(n) {
		let r = e(n);
		return {
			secretKey: r,
			publicKey: t(r)
		};
	};
}
// node_modules/@noble/curves/abstract/edwards.js
var As = /* @__PURE__ */ BigInt(0), js = /* @__PURE__ */ BigInt(1), Ms = /* @__PURE__ */ BigInt(2), Ns = /* @__PURE__ */ BigInt(4), Ps = /* @__PURE__ */ BigInt(8);
function Fs(e, t, n, r) {
	let i = e.sqr(n), a = e.sqr(r), o = e.add(e.mul(t.a, i), a), s = e.add(e.ONE, e.mul(t.d, e.mul(i, a)));
	return e.eql(o, s);
}
function Is(e, t = {}) {
	Ao(t, {}, {}, "extraOpts");
	let n = t, r = Os("edwards", e, n, n.FpFnLE), { Fp: i, Fn: a } = r, o = r.CURVE, { h: s } = o;
	if (es(i, o.a) !== 1) throw Error("edwards: CURVE.a must be a square in Fp for complete addition formulas");
	if (es(i, o.d) !== -1) throw Error("edwards: CURVE.d must be a non-square in Fp for complete addition formulas");
	Ao(n, {}, {
		uvRatio: "function",
		randomBytes: "function"
	});
	let c = n.randomBytes === void 0 ? fo : n.randomBytes, l = Ms << BigInt(i.BYTES * 8) - js;
	function u(e) {
		if (!i.isOdd) throw Error("Field does not have .isOdd()");
		return i.isOdd(e);
	}
	let d = n.uvRatio === void 0 ? (e, t) => {
		try {
			return {
				isValid: !0,
				value: i.sqrt(i.div(e, t))
			};
		} catch {
			return {
				isValid: !1,
				value: As
			};
		}
	} : n.uvRatio;
	if (!Fs(i, o, o.Gx, o.Gy)) throw Error("bad curve params: generator point");
	let f = i.eql(o.a, i.neg(i.ONE)) ? (e) => i.neg(e) : i.eql(o.a, i.ONE) ? (e) => e : (e) => i.mul(o.a, e);
	function p(e, t, n = !1) {
		let r = n ? js : As;
		return Do("coordinate " + e, t, r, l), t;
	}
	function m(e) {
		if (!(e instanceof h)) throw Error("EdwardsPoint expected");
	}
	class h {
		static BASE = new h(o.Gx, o.Gy, i.ONE, i.mul(o.Gx, o.Gy));
		static ZERO = new h(i.ZERO, i.ONE, i.ONE, i.ZERO);
		static Fp = i;
		static Fn = a;
		X;
		Y;
		Z;
		T;
		constructor(e, t, n, r) {
			this.X = p("x", e), this.Y = p("y", t), this.Z = p("z", n, !0), this.T = p("t", r), Object.freeze(this);
		}
		static CURVE() {
			return o;
		}
		static fromAffine(e) {
			if (e instanceof h) throw Error("extended point not allowed");
			let { x: t, y: n } = e || {};
			return p("x", t), p("y", n), new h(t, n, i.ONE, i.mul(t, n));
		}
		static fromBytes(e, t = !1) {
			let n = i.BYTES, { a: r, d: a } = o;
			e = wo(G(e, n, "point")), go(t, "zip215");
			let s = wo(e), c = e[n - 1];
			s[n - 1] = c & -129;
			let f = xo(s);
			Do("point.y", f, As, t ? l : i.ORDER);
			let p = i.sqr(f), m = i.sub(p, i.ONE), g = i.sub(i.mulN(a, p), r), { isValid: _, value: v } = d(m, g);
			if (!_) throw Error("bad point: invalid y coordinate");
			let y = u(v), b = !!(c & 128);
			if (!t && i.is0(v) && b) throw Error("bad point: x=0 and x_0=1");
			return b !== y && (v = i.neg(v)), h.fromAffine({
				x: v,
				y: f
			});
		}
		static fromHex(e, t = !1) {
			return h.fromBytes(lo(e), t);
		}
		get x() {
			return this.toAffine().x;
		}
		get y() {
			return this.toAffine().y;
		}
		precompute(e = 6, t = !0) {
			return _.setWindowSize(this, e), t || this.multiply(Ms), this;
		}
		assertValidity() {
			let e = this, { a: t, d: n } = o;
			if (e.is0()) throw Error("bad point: ZERO");
			let { X: r, Y: a, Z: s, T: c } = e, l = i.sqr(r), u = i.sqr(a), d = i.sqr(s), f = i.sqr(d), p = i.mul(l, t), m = i.mul(i.add(p, u), d), h = i.add(f, i.mul(n, i.mul(l, u)));
			if (!i.eql(m, h)) throw Error("bad point: equation left != right (1)");
			let g = i.mul(r, a), _ = i.mul(s, c);
			if (!i.eql(g, _)) throw Error("bad point: equation left != right (2)");
		}
		equals(e) {
			m(e);
			let { X: t, Y: n, Z: r } = this, { X: a, Y: o, Z: s } = e, c = i.mul(t, s), l = i.mul(a, r), u = i.mul(n, s), d = i.mul(o, r);
			return i.eql(c, l) && i.eql(u, d);
		}
		is0() {
			return this.equals(h.ZERO);
		}
		negate() {
			return new h(i.neg(this.X), this.Y, this.Z, i.neg(this.T));
		}
		double() {
			let { X: e, Y: t, Z: n } = this, r = i.sqr(e), a = i.sqr(t), o = i.mul(i.sqr(n), Ms), s = f(r), c = i.addN(e, t), l = i.sub(i.subN(i.sqr(c), r), a), u = i.addN(s, a), d = i.subN(u, o), p = i.subN(s, a), m = i.mul(l, d), g = i.mul(u, p), _ = i.mul(l, p), v = i.mul(d, u);
			return new h(m, g, v, _);
		}
		add(e) {
			m(e);
			let { d: t } = o, { X: n, Y: r, Z: a, T: s } = this, { X: c, Y: l, Z: u, T: d } = e, p = i.mul(n, c), g = i.mul(r, l), _ = i.mul(i.mulN(s, t), d), v = i.mul(a, u), y = i.sub(i.subN(i.mulN(i.addN(n, r), i.addN(c, l)), p), g), b = i.subN(v, _), x = i.addN(v, _), S = i.sub(g, f(p)), C = i.mul(y, b), w = i.mul(x, S), T = i.mul(y, S), E = i.mul(b, x);
			return new h(C, w, E, T);
		}
		subtract(e) {
			return m(e), this.add(e.negate());
		}
		multiply(e) {
			if (!a.isValidNot0(e)) throw RangeError("invalid scalar: expected 1 <= sc < curve.n");
			let { p: t, f: n } = _.mulSecret(this, e, s, g);
			return g([t, n])[0];
		}
		multiplyUnsafe(e) {
			if (!a.isValid(e)) throw RangeError("invalid scalar: expected 0 <= sc < curve.n");
			return e === As ? h.ZERO : this.is0() || e === js ? this : _.mulUnsafe(this, e, g);
		}
		isSmallOrder() {
			return this.clearCofactor().is0();
		}
		isTorsionFree() {
			return _.mulUnsafe(this, o.n).is0();
		}
		toAffine(e) {
			let t = this, n = e;
			if (n != null && typeof n != "bigint") throw TypeError("\"invertedZ\" expected bigint, got type=" + typeof n);
			let { X: r, Y: a, Z: o } = t, s = t.is0();
			n ??= s ? i.create(Ps) : i.inv(o);
			let c = i.mul(r, n), l = i.mul(a, n), u = i.mul(o, n);
			if (s) return {
				x: i.ZERO,
				y: i.ONE
			};
			if (!i.eql(u, i.ONE)) throw Error("invZ was invalid");
			return {
				x: c,
				y: l
			};
		}
		clearCofactor() {
			return s === js ? this : s === Ms ? this.double() : s === Ns ? this.double().double() : s === Ps ? this.double().double().double() : this.multiplyUnsafe(s);
		}
		toBytes() {
			let { x: e, y: t } = this.toAffine(), n = i.toBytes(t);
			return n[n.length - 1] |= u(e) ? 128 : 0, n;
		}
		toHex() {
			return so(this.toBytes());
		}
		toString() {
			return `<Point ${this.is0() ? "ZERO" : this.toHex()}>`;
		}
	}
	let g = (e) => ps(h, e), _ = new Ts(h, c);
	return _.bits >= 6 && h.BASE.precompute(6), Object.freeze(h.prototype), Object.freeze(h), h;
}
function Ls(e, t, n = {}) {
	if (fs(e), typeof t != "function") throw Error("\"hash\" function param is required");
	let r = t, i = n;
	Ao(i, {}, {
		adjustScalarBytes: "function",
		randomBytes: "function",
		domain: "function",
		prehash: "function",
		zip215: "boolean",
		mapToCurve: "function",
		toMontgomery: "function",
		toMontgomerySecret: "function"
	});
	let { prehash: a } = i, { BASE: o, Fp: s, Fn: c } = e, l = r.outputLen, u = 2 * s.BYTES;
	if (l !== void 0 && (vo(l, "hash.outputLen"), l !== u)) throw Error(`hash.outputLen must be ${u}, got ${l}`);
	let d = i.randomBytes === void 0 ? fo : i.randomBytes, f = i.toMontgomery, p = i.toMontgomerySecret, m = i.adjustScalarBytes === void 0 ? (e) => e : i.adjustScalarBytes, h = i.domain === void 0 ? (e, t, n) => {
		if (go(n, "phflag"), t.length || n) throw Error("Contexts/pre-hash are not supported");
		return e;
	} : i.domain;
	function g(e) {
		return c.create(xo(e));
	}
	function _(e) {
		let t = T.secretKey;
		G(e, T.secretKey, "secretKey");
		let n = G(r(e), 2 * t, "hashedSecretKey"), i = m(n.slice(0, t));
		return {
			head: i,
			prefix: n.slice(t, 2 * t),
			scalar: g(i)
		};
	}
	function v(e) {
		let { head: t, prefix: n, scalar: r } = _(e), i = o.multiply(r);
		return {
			head: t,
			prefix: n,
			scalar: r,
			point: i,
			pointBytes: i.toBytes()
		};
	}
	function y(e) {
		return v(e).pointBytes;
	}
	function b(e = Uint8Array.of(), ...t) {
		let n = co(...t);
		return g(r(h(n, G(e, void 0, "context"), !!a)));
	}
	function x(e, t, n = {}) {
		Ao(n, {}, {}, "options"), e = wo(G(e, void 0, "message")), a && (e = a(e));
		let { prefix: r, scalar: i, pointBytes: s } = v(t), l = b(n.context, r, e), u = o.multiply(l).toBytes(), d = b(n.context, u, s, e), f = c.create(l + d * i);
		if (!c.isValid(f)) throw Error("sign failed: invalid s");
		return G(co(u, c.toBytes(f)), T.signature, "result");
	}
	let S = { zip215: i.zip215 };
	function C(t, n, r, i = S) {
		Ao(i);
		let { context: s } = i, c = i.zip215 === void 0 ? !!S.zip215 : i.zip215, l = T.signature;
		t = G(t, l, "signature"), n = G(n, void 0, "message"), r = G(r, T.publicKey, "publicKey"), c !== void 0 && go(c, "zip215"), a && (n = a(n));
		let u = l / 2, d = t.subarray(0, u), f = xo(t.subarray(u, l)), p, m, h;
		try {
			p = e.fromBytes(r, c), m = e.fromBytes(d, c), h = o.multiplyUnsafe(f);
		} catch {
			return !1;
		}
		if (!c && p.isSmallOrder()) return !1;
		let g = b(s, d, r, n);
		return m.add(p.multiplyUnsafe(g)).subtract(h).clearCofactor().is0();
	}
	let w = s.BYTES, T = {
		secretKey: w,
		publicKey: w,
		signature: 2 * w,
		seed: w
	};
	function E(e) {
		return e = e === void 0 ? d(T.seed) : e, G(e, T.seed, "seed");
	}
	function ee(e) {
		return uo(e) && e.length === T.secretKey;
	}
	function D(t, n) {
		try {
			return !!e.fromBytes(t, n === void 0 ? S.zip215 : n);
		} catch {
			return !1;
		}
	}
	let te = {
		getExtendedPublicKey: v,
		randomSecretKey: E,
		isValidSecretKey: ee,
		isValidPublicKey: D,
		toMontgomery(t) {
			if (f === void 0) throw Error("Montgomery conversion is not supported for this curve");
			return f(e.fromBytes(t));
		},
		toMontgomerySecret(e) {
			if (p === void 0) throw Error("Montgomery conversion is not supported for this curve");
			return p(e);
		}
	};
	return Object.freeze(T), Object.freeze(te), Object.freeze({
		keygen: ks(E, y),
		getPublicKey: y,
		sign: x,
		verify: C,
		utils: te,
		Point: e,
		lengths: T
	});
}
// node_modules/@noble/curves/ed25519.js
var Rs = /* @__PURE__ */ BigInt(1), zs = /* @__PURE__ */ BigInt(2), Bs = /* @__PURE__ */ BigInt(5), Vs = /* @__PURE__ */ BigInt(8), Hs = /* @__PURE__ */ BigInt("0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffed"), Us = {
	p: Hs,
	n: BigInt("0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3ed"),
	h: Vs,
	a: BigInt("0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffec"),
	d: BigInt("0x52036cee2b6ffe738cc740797779e89800700a4d4141d8ab75eb4dca135978a3"),
	Gx: BigInt("0x216936d3cd6e53fec0a4e231fdd6dc5c692cc7609525a7b2c9562d608f25d51a"),
	Gy: BigInt("0x6666666666666666666666666666666666666666666666666666666666666658")
};
function Ws(e) {
	let t = BigInt(10), n = BigInt(20), r = BigInt(40), i = BigInt(80), a = Hs, o = e * e % a * e % a, s = Y(Y(o, zs, a) * o % a, Rs, a) * e % a, c = Y(s, Bs, a) * s % a, l = Y(c, t, a) * c % a, u = Y(l, n, a) * l % a, d = Y(u, r, a) * u % a;
	return {
		pow_p_5_8: Y(Y(Y(Y(d, i, a) * d % a, i, a) * d % a, t, a) * c % a, zs, a) * e % a,
		b2: o
	};
}
function Gs(e) {
	return e[0] &= 248, e[31] &= 127, e[31] |= 64, e;
}
var Ks = /* @__PURE__ */ BigInt("19681161376707505956807079304988542015446066515923890162744021073123829784752");
function qs(e, t) {
	let n = Hs, r = J(t * t * t, n), i = Ws(e * J(r * r * t, n)).pow_p_5_8, a = J(e * r * i, n), o = J(t * a * a, n), s = a, c = J(a * Ks, n), l = o === e, u = o === J(-e, n), d = o === J(-e * Ks, n);
	return l && (a = s), (u || d) && (a = c), Xo(a, n) && (a = J(-a, n)), {
		isValid: l || u,
		value: a
	};
}
var Js = /* @__PURE__ */ Is(Us, { uvRatio: qs }), Ys = Js.Fp;
function Xs(e) {
	let { y: t } = e;
	return Ys.toBytes(Ys.div(Rs + t, Rs - t));
}
function Zs(e) {
	let t = Js.Fp.BYTES;
	return U(e, t), Gs(no(e.subarray(0, t))).subarray(0, t);
}
function Qs(e) {
	return Ls(Js, no, Object.assign({
		adjustScalarBytes: Gs,
		toMontgomery: Xs,
		toMontgomerySecret: Zs,
		zip215: !0
	}, e));
}
var $s = /* @__PURE__ */ Qs({}), ec = "Ed25519", tc = null;
function nc() {
	return tc ??= (async () => {
		try {
			return await crypto.subtle.generateKey(ec, !1, ["sign", "verify"]), !0;
		} catch {
			return !1;
		}
	})(), tc;
}
async function rc() {
	if (await nc()) {
		let e = await crypto.subtle.generateKey(ec, !1, ["sign", "verify"]);
		return {
			privateKey: e.privateKey,
			publicKey: new Uint8Array(await crypto.subtle.exportKey("raw", e.publicKey))
		};
	}
	let e = Uint8Array.from($s.utils.randomSecretKey());
	return {
		privateKey: e,
		publicKey: $s.getPublicKey(e)
	};
}
async function ic(e) {
	let t = $s.getPublicKey(e);
	if (!await nc()) return {
		privateKey: e,
		publicKey: t
	};
	let n = new Uint8Array(ac.length + e.length);
	return n.set(ac), n.set(e, ac.length), {
		privateKey: await crypto.subtle.importKey("pkcs8", n, ec, !1, ["sign"]),
		publicKey: t
	};
}
var ac = Uint8Array.of(48, 46, 2, 1, 0, 48, 5, 6, 3, 43, 101, 112, 4, 34, 4, 32), oc = Uint8Array.of(48, 42, 48, 5, 6, 3, 43, 101, 112, 3, 33, 0);
async function sc(e, t) {
	return e instanceof Uint8Array ? $s.sign(t, e) : new Uint8Array(await crypto.subtle.sign(ec, e, Uint8Array.from(t)));
}
function cc(e, t, n) {
	try {
		return !$s.Point.fromBytes(e).isSmallOrder() && $s.verify(t, n, e, { zip215: !1 });
	} catch {
		return !1;
	}
}
function lc(e) {
	return to(e).slice(0, 8);
}
function uc(e) {
	return `SHA256:${dc(to(e)).replace(/=+$/, "")}`;
}
function dc(e) {
	return btoa(String.fromCharCode(...e));
}
// src/operator/cose.ts
var fc = -8, pc = -19, mc = 1, hc = 4, gc = {
	maxDepth: 2,
	maxItems: 16
}, _c = class extends F {
	reason;
	name = "BadSignature";
	constructor(e, t) {
		super(t), this.reason = e;
	}
};
function vc(e) {
	return jn(/* @__PURE__ */ new Map([[mc, fc], [hc, lc(e)]]));
}
function yc(e, { context: t, robotId: n, topic: r }, i) {
	return jn([
		"Signature1",
		e,
		jn([
			t,
			n,
			r
		]),
		i
	]);
}
function bc(e, t, n) {
	return jn([
		e,
		/* @__PURE__ */ new Map(),
		t,
		n
	]);
}
function xc(e, t, n, r) {
	let i = I(An(n, {
		maxBytes: r,
		...gc
	}), "a signed message");
	if (i.length !== 4) throw new F("not a COSE_Sign1 of four fields");
	let a = L(i[0], "a protected header");
	if (!(i[1] instanceof Map) || i[1].size) throw new F("COSE_Sign1 with an unprotected header");
	let o = L(i[2], "a payload"), s = L(i[3], "a signature", 64), c = Sc(a);
	if (c !== H(lc(e))) throw new _c("unknown_key", `signed with the key ${c}`);
	if (!cc(e, s, yc(a, t, o))) throw new _c("bad_signature", `the signature with the key ${c} is wrong`);
	return o;
}
function Sc(e) {
	let t = An(e, {
		maxBytes: 64,
		...gc
	});
	if (!(t instanceof Map) || t.size !== 2) throw new F("a protected header has alg and kid, and nothing else");
	let n = t.get(mc);
	if (n !== fc && n !== pc) throw new F("alg is none of EdDSA (-8) and Ed25519 (-19)");
	return H(L(t.get(hc), "kid", 8));
}
// src/operator/drive.ts
var Cc = 1e3, wc = 1500, Tc = 1e3, Ec = [
	"no_lease",
	"lease_held",
	"wrong_epoch",
	"stopping"
], Dc = class {
	dialogue;
	channel;
	now;
	giveBack;
	leaseS;
	watchdogS;
	sent = 0;
	carriedOut = 0;
	scale = null;
	latencyMs = null;
	ended;
	refusal = "";
	over = !1;
	end;
	newest = 0;
	lastAtMs = -Infinity;
	silentSinceMs = null;
	constructor(e, t, n, r, i, a) {
		this.dialogue = e, this.channel = t, this.now = n, this.giveBack = r, this.leaseS = i, this.watchdogS = a, this.ended = new Promise((e) => {
			this.end = e;
		});
	}
	publish(e) {
		if (this.over) return;
		let t = this.now();
		t - this.lastAtMs > Tc && (this.silentSinceMs = null), this.lastAtMs = t, this.silentSinceMs ??= t;
		let n = ++this.newest;
		this.dialogue.drive(this, this.channel, e, Cc, () => {
			let e = !this.over && n === this.newest;
			return e && (this.sent += 1), e;
		});
	}
	async release() {
		this.over = !0;
		let e = await this.giveBack();
		return this.end("released"), e;
	}
	get complaint() {
		let e = this.now(), t = e - this.lastAtMs <= Tc, n = this.silentSinceMs === null ? 0 : e - this.silentSinceMs;
		return !this.over && t && n > wc ? `no answer for ${(n / 1e3).toFixed(1)} s` : this.refusal;
	}
	heard(e, t) {
		let n = this.now();
		this.silentSinceMs = this.lastAtMs > t ? Math.max(t, this.silentSinceMs ?? t) : null, this.latencyMs = n - t;
		let r = typeof e.detail == "object" && e.detail ? e.detail : {};
		e.state === "succeeded" ? (this.refusal = "", this.carriedOut += typeof r.count == "number" ? r.count : 1, this.scale = typeof r.scale == "number" ? r.scale : null) : (this.refusal = e.reason || e.state, Ec.includes(this.refusal.split(":")[0]) && !this.over && (this.over = !0, this.end(this.refusal)));
	}
}, Oc = class e {
	name;
	publicKey;
	privateKey;
	constructor(e, t, n) {
		this.name = e, this.publicKey = t, this.privateKey = n;
	}
	static async generate(t) {
		let { privateKey: n, publicKey: r } = await rc();
		return new e(t, r, n);
	}
	static async import(t, n) {
		let r = /-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\s]+)-----END PRIVATE KEY-----/.exec(t)?.[1];
		if (!r) throw t.includes("PUBLIC KEY") ? Error("this is a public key, and a private one is needed") : t.includes("ENCRYPTED") ? Error("this key is encrypted; write it unencrypted (openssl pkey)") : Error("no private key in PEM; make one with 'ros-cloud-bridge keys new'");
		let i = Uint8Array.from(atob(r.replace(/\s/g, "")), (e) => e.charCodeAt(0));
		if (i.length !== ac.length + 32 || !ac.every((e, t) => i[t] === e)) throw Error("a private key, but not an Ed25519 one");
		let { privateKey: a, publicKey: o } = await ic(i.slice(ac.length));
		return new e(n, o, a);
	}
	static fromStored({ name: t, publicKey: n, privateKey: r }) {
		return new e(t, n, r);
	}
	get publicPem() {
		return `-----BEGIN PUBLIC KEY-----\n${dc(Uint8Array.of(...oc, ...this.publicKey))}\n-----END PUBLIC KEY-----\n`;
	}
	get fingerprint() {
		return uc(this.publicKey);
	}
	get guarded() {
		return !(this.privateKey instanceof Uint8Array);
	}
	sign(e) {
		return sc(this.privateKey, e);
	}
	toStored() {
		return {
			name: this.name,
			publicKey: this.publicKey,
			privateKey: this.privateKey
		};
	}
}, kc = "ros_cloud_bridge", Ac = "operator", jc = "key";
function Mc(e) {
	return new Promise((t, n) => {
		e.onsuccess = () => t(e.result), e.onerror = () => n(e.error ?? /* @__PURE__ */ Error("the browser keeps no keys"));
	});
}
async function Nc(e, t) {
	let n = indexedDB.open(kc, 1);
	n.onupgradeneeded = () => n.result.createObjectStore(Ac);
	let r = await Mc(n);
	try {
		return await Mc(t(r.transaction(Ac, e).objectStore(Ac)));
	} finally {
		r.close();
	}
}
async function Pc() {
	let e = await Nc("readonly", (e) => e.get(jc));
	return e ? Oc.fromStored(e) : null;
}
async function Fc(e) {
	await Nc("readwrite", (t) => t.put(e.toStored(), jc));
}
async function Ic() {
	await Nc("readwrite", (e) => e.delete(jc));
}
function Lc(e, t) {
	if (!e.startsWith(`${t}/`)) return null;
	if (new TextEncoder().encode(e).length > 256 || e.split("/").length > 8) throw new F("topic longer or deeper than the protocol allows");
	let [n, r, ...i] = e.slice(t.length + 1).split("/");
	return n && r ? {
		robotId: n,
		kind: r,
		rest: i
	} : null;
}
// src/operator/clock.ts
var Rc = 6e5, zc = class {
	epoch = "";
	robotMs = 0;
	atMs = 0;
	begin(e, t, n) {
		e === this.epoch ? this.take(t, n) : (this.epoch = e, this.robotMs = t, this.atMs = n);
	}
	take(e, t) {
		e < this.estimate(t) || (this.robotMs = e, this.atMs = t);
	}
	forget() {
		this.epoch = "";
	}
	knows(e) {
		return this.epoch !== "" && e - this.atMs <= Rc;
	}
	nowMs(e) {
		return Math.max(0, Math.floor(this.estimate(e)));
	}
	estimate(e) {
		return this.robotMs + (e - this.atMs) * .9999;
	}
}, Bc = 1, Vc = {
	maxDepth: 24,
	maxItems: 16384
}, Hc = [
	"received",
	"accepted",
	"running",
	"succeeded",
	"failed",
	"cancelled",
	"rejected",
	"timed_out",
	"unknown"
], Uc = 3;
function Wc(e) {
	return jn([
		Bc,
		e.type,
		e.id,
		e.instance,
		e.epoch,
		e.sequence,
		e.sentMs,
		e.deadlineMs,
		Kc(e.arguments)
	]);
}
function Gc(e) {
	let t = I(An(e, {
		maxBytes: xn,
		...Vc
	}), "an answer");
	if (t.length !== 8) throw new F("an answer has eight fields");
	Mi(t[0]);
	let n = z(t[4], "a state", Hc.length - 1);
	return {
		id: H(L(t[1], "id", 16)),
		epoch: H(L(t[2], "epoch", 8)),
		robotMs: Number(R(t[3], "robot_ms")),
		state: Hc[n],
		final: n >= Uc,
		number: Number(R(t[5], "number")),
		reason: Mn(t[6], "a reason"),
		detail: qc(t[7])
	};
}
function Kc(e) {
	return typeof e != "object" || !e || e instanceof Uint8Array || e instanceof En || e instanceof Map ? e : ArrayBuffer.isView(e) || Array.isArray(e) ? Array.from(e, Kc) : new Map(Object.entries(e).map(([e, t]) => [e, Kc(t)]));
}
function qc(e) {
	if (e instanceof En) return e.value;
	if (Array.isArray(e)) return e.map(qc);
	if (!(e instanceof Map)) return e;
	let t = Object.create(null);
	for (let [n, r] of e) {
		if (typeof n != "string") throw new F("a key that is no text");
		t[n] = qc(r);
	}
	return t;
}
// src/operator/dialogue.ts
var Jc = 1e3, Yc = 5e3, Xc = 2500, Zc = 5e3, Qc = 200, $c = 8, el = 512, tl = class {
	channel;
	type;
	args;
	expiresAtMs;
	onAnswer;
	resolve;
	id = "";
	epoch = "";
	payload = null;
	publishedAtMs = null;
	againAtMs = 0;
	last = null;
	number = -1;
	retried = !1;
	ended = !1;
	constructor(e, t, n, r, i, a) {
		this.channel = e, this.type = t, this.args = n, this.expiresAtMs = r, this.onAnswer = i, this.resolve = a;
	}
	end(e) {
		this.ended = !0, this.resolve(e);
	}
}, nl = class {
	robotId;
	world;
	clock = new zc();
	questions = /* @__PURE__ */ new Map();
	newestAnswered = -Infinity;
	timeAtMs = 0;
	sequences = /* @__PURE__ */ new Map();
	waiting = [];
	flights = /* @__PURE__ */ new Map();
	driven = /* @__PURE__ */ new Map();
	signing = Promise.resolve();
	constructor(e, t) {
		this.robotId = e, this.world = t;
	}
	submit(e) {
		this.waiting.push(e), this.tick();
	}
	withdraw(e) {
		return e.payload || !this.waiting.includes(e) ? !1 : (this.end(e, {
			state: "cancelled",
			ok: !1,
			reason: "cancelled before it was sent",
			detail: null
		}), !0);
	}
	tick() {
		let e = this.world.now();
		for (let t of [...this.waiting, ...this.flights.values()]) {
			let n = t.publishedAtMs === null ? 0 : Xc;
			t.last === null && e >= t.expiresAtMs + n && this.end(t, {
				state: null,
				ok: !1,
				reason: rl(t),
				detail: null
			});
		}
		if (this.waiting.length && this.clock.knows(e)) {
			for (let e of this.waiting) this.enqueue(() => this.sign(e));
			this.waiting = [];
		} else this.waiting.length && e >= this.timeAtMs && (this.timeAtMs = e + Jc, this.enqueue(() => this.askTime()));
		for (let t of this.flights.values()) e >= t.againAtMs && this.publish(t);
	}
	again() {
		this.timeAtMs = 0;
		for (let e of this.flights.values()) e.againAtMs = 0;
		this.tick();
	}
	get knowsTime() {
		return this.clock.knows(this.world.now());
	}
	drive(e, t, n, r, i) {
		this.enqueue(async () => {
			if (!i() || !this.knowsTime) return;
			let a = this.command("publish", t, n, r), o = this.world.topic(this.robotId, t), s = await this.world.seal(this.robotId, o, Wc(a));
			this.driven.set(H(a.id), {
				driver: e,
				sentAtMs: this.world.now(),
				epoch: H(a.epoch)
			}), this.driven.size > el && this.driven.delete(this.driven.keys().next().value), this.world.publish(o, s, r / 1e3);
		});
	}
	take(e) {
		let t = this.world.now();
		if (this.questions.has(e.id)) {
			this.takeTime(e, t);
			return;
		}
		let n = this.driven.get(e.id);
		if (n) {
			if (!e.final) return;
			this.driven.delete(e.id), this.refresh(e, t), (e.state === "rejected" || e.epoch === n.epoch) && n.driver.heard(e, n.sentAtMs);
			return;
		}
		let r = this.flights.get(e.id);
		r && (this.refresh(e, t), (e.final || e.epoch === r.epoch) && (r.againAtMs = t + Yc, e.final ? this.finish(r, e, t) : e.number > r.number && (r.number = e.number, r.last = e.state, r.onAnswer(e))));
	}
	takeTime(e, t) {
		let n = this.questions.get(e.id);
		this.questions.delete(e.id), n <= this.newestAnswered || (this.newestAnswered = n, this.clock.begin(e.epoch, e.robotMs, t), this.timeAtMs = Math.min(this.timeAtMs, t + Qc), this.tick());
	}
	refresh(e, t) {
		e.epoch === this.clock.epoch ? this.clock.take(e.robotMs, t) : this.clock.forget();
	}
	finish(e, t, n) {
		if (e.onAnswer(t), t.state === "rejected" && t.reason.split(":")[0] === "wrong_epoch" && e.last === null && !e.retried && n < e.expiresAtMs) {
			this.clock.epoch === e.epoch && this.clock.forget(), this.flights.delete(e.id), Object.assign(e, {
				id: "",
				payload: null,
				retried: !0
			}), this.submit(e);
			return;
		}
		let r = t.state;
		this.end(e, {
			state: r,
			ok: r === "succeeded",
			reason: t.reason,
			detail: t.detail
		});
	}
	end(e, t) {
		this.waiting = this.waiting.filter((t) => t !== e), this.flights.delete(e.id), e.end(t);
	}
	enqueue(e) {
		this.signing = this.signing.then(e).catch((e) => console.error(e));
	}
	async askTime() {
		let e = crypto.getRandomValues(/* @__PURE__ */ new Uint8Array(16)), t = this.world.topic(this.robotId, "time"), n = {
			type: "time",
			id: e,
			instance: this.world.instance,
			epoch: /* @__PURE__ */ new Uint8Array(),
			sequence: 0,
			sentMs: 0,
			deadlineMs: 0,
			arguments: null
		}, r = await this.world.seal(this.robotId, t, Wc(n));
		this.questions.set(H(e), this.world.now()), this.questions.size > $c && this.questions.delete(this.questions.keys().next().value), this.world.publish(t, r, Zc / 1e3);
	}
	async sign(e) {
		let t = this.world.now();
		if (!e.ended) {
			if (!this.clock.knows(t)) this.waiting.push(e);
			else {
				try {
					let n = this.command(e.type, e.channel, e.args(), Math.max(0, e.expiresAtMs - t));
					e.id = H(n.id), e.epoch = H(n.epoch);
					let r = this.world.topic(this.robotId, e.channel);
					e.payload = await this.world.seal(this.robotId, r, Wc(n));
				} catch (t) {
					this.end(e, {
						state: null,
						ok: !1,
						reason: `not sent: ${String(t)}`,
						detail: null
					});
					return;
				}
				e.ended || (this.flights.set(e.id, e), this.publish(e));
			}
		}
	}
	command(e, t, n, r) {
		let i = (this.sequences.get(t) ?? 0) + 1;
		this.sequences.set(t, i);
		let a = this.clock.nowMs(this.world.now());
		return {
			type: e,
			id: crypto.getRandomValues(/* @__PURE__ */ new Uint8Array(16)),
			instance: this.world.instance,
			epoch: Ni(this.clock.epoch),
			sequence: i,
			sentMs: a,
			deadlineMs: a + Math.round(r),
			arguments: n
		};
	}
	publish(e) {
		let t = this.world.now();
		e.publishedAtMs ??= t, e.againAtMs = t + (e.last === null ? Jc : Yc);
		let n = Math.max(Jc, e.expiresAtMs - t);
		this.world.publish(this.world.topic(this.robotId, e.channel), e.payload, n / 1e3);
	}
};
function rl(e) {
	return e.publishedAtMs === null ? "the robot does not tell its time: is it online, and does it know this key?" : "no answer: it may have run";
}
// src/operator/operator.ts
var il = 5, al = 2, ol = /^[0-9a-f]{64}$/, sl = class {
	options;
	dropped = 0;
	root;
	now;
	dialogues = /* @__PURE__ */ new Map();
	world;
	constructor(e) {
		this.options = e, this.root = e.root ?? "rcb/v1", this.now = e.now ?? (() => performance.now()), this.world = {
			now: this.now,
			topic: (t, n) => `${this.root}/${t}/cmd/${e.name}/${n}`,
			seal: (e, t, n) => this.seal(e, t, n),
			publish: e.publish,
			instance: crypto.getRandomValues(/* @__PURE__ */ new Uint8Array(8))
		};
	}
	filters(e = "+") {
		return [`${this.root}/${e}/ack/${this.options.name}`];
	}
	feed(e, t) {
		let n, r;
		try {
			let i = Lc(e, this.root);
			if (!i || i.kind !== "ack" || i.rest.join("/") !== this.options.name) return;
			n = i.robotId;
			let a = this.options.pinned(n);
			if (!a || !ol.test(a)) throw new F(`no key of ${n} is pinned`);
			r = Gc(xc(Ni(a), {
				context: "rcb/1 answer",
				robotId: n,
				topic: e
			}, t, xn));
		} catch (e) {
			if (!(e instanceof F)) throw e;
			this.dropped += 1;
			return;
		}
		this.dialogues.get(n)?.take(r);
	}
	tick() {
		for (let e of this.dialogues.values()) e.tick();
	}
	reconnected() {
		for (let e of this.dialogues.values()) e.again();
	}
	publish(e, t, n, r) {
		return this.command(e, t, "publish", n, r);
	}
	call(e, t, n, r) {
		return this.command(e, t, "call", n, r);
	}
	goal(e, t, n, r, i) {
		let { flight: a, outcome: o } = this.submit(e, t, "goal", () => n, i, (e) => {
			let { detail: t } = e;
			e.state === "running" && typeof t == "object" && t && "feedback" in t && r?.(t.feedback);
		});
		return {
			outcome: o,
			cancel: () => this.dialogue(e).withdraw(a) ? o : this.submit(e, t, "cancel", () => ({ goal: Ni(a.id) }), i).outcome
		};
	}
	command(e, t, n, r, i) {
		return this.submit(e, t, n, () => r, i).outcome;
	}
	async drive(e, t) {
		let n = await this.command(e, t, "acquire", null, al);
		if (!n.ok) throw Error(`${t}: ${n.state ?? "no answer"}: ${n.reason}`);
		let r = n.detail ?? {};
		return new Dc(this.dialogue(e), t, this.now, () => this.command(e, t, "release", null, al), typeof r.lease_s == "number" ? r.lease_s : 0, typeof r.watchdog_s == "number" ? r.watchdog_s : 0);
	}
	submit(e, t, n, r, i = il, a = () => void 0) {
		let o, s = new Promise((e) => {
			o = e;
		}), c = new tl(t, n, r, this.now() + 1e3 * i, a, o);
		return this.dialogue(e).submit(c), {
			flight: c,
			outcome: s
		};
	}
	dialogue(e) {
		let t = this.dialogues.get(e);
		return t || this.dialogues.set(e, t = new nl(e, this.world)), t;
	}
	async seal(e, t, n) {
		if (this.options.trustsTransport?.(e)) return n;
		let { key: r } = this.options;
		if (!r) throw Error("there is no key to sign with");
		let i = vc(r.publicKey), a = bc(i, n, await r.sign(yc(i, {
			context: "rcb/1 command",
			robotId: e,
			topic: t
		}, n)));
		if (a.length > 65536) throw Error(`a command has at most ${bn} bytes`);
		return a;
	}
}, cl = 1024, ll = new TextDecoder("utf-8", { fatal: !0 }), ul = class {
	bytes;
	view;
	position = 4;
	constructor(e) {
		if (this.bytes = e, this.view = new DataView(e.buffer, e.byteOffset, e.length), e.length < 4 || e[0] !== 0 || e[1] !== 1) throw new F("not a little-endian message in plain CDR");
	}
	uint8() {
		return this.view.getUint8(this.next(1));
	}
	uint32() {
		return this.view.getUint32(this.next(4), !0);
	}
	skip(e, t) {
		for (let n = 0; n < e; n++) this.next(t);
	}
	text() {
		let e = this.uint32();
		if (e > cl) throw new F(`a string of ${e} bytes`);
		let t = this.position;
		if (this.position += e, this.position > this.bytes.length) throw new F("the message ends too early");
		let n = this.bytes.subarray(t, this.position);
		try {
			return ll.decode(n.at(-1) === 0 ? n.subarray(0, -1) : n);
		} catch {
			throw new F("a string that is no UTF-8");
		}
	}
	header() {
		this.skip(2, 4), this.text();
	}
	end() {
		if (this.position !== this.bytes.length) throw new F("bytes follow what a form tells about its message");
	}
	next(e) {
		let t = this.position + (e - (this.position - 4) % e) % e;
		if (this.position = t + e, this.position > this.bytes.length) throw new F("the message ends too early");
		return t;
	}
};
function dl(e, t, n) {
	let r = e.length;
	for (let { bytes: e } of t) r = fl(r) + 4 + e.length;
	let i = new Uint8Array(r + (n?.length ?? 0)), a = new DataView(i.buffer);
	i.set(e);
	let o = e.length;
	for (let { count: e, bytes: n } of t) o = fl(o), a.setUint32(o, e, !0), i.set(n, o + 4), o += 4 + n.length;
	return n && i.set(n, o), i;
}
function fl(e) {
	return e + 3 & -4;
}
// src/protocol/forms/columns.ts
var pl = 4096, ml = 1, hl = 1, gl = 2, _l = 4, vl = 8;
function X(e) {
	return new Uint8Array(e.buffer, e.byteOffset, e.byteLength);
}
function yl(e, t) {
	return Uint8Array.from({ length: t }, (t, n) => e[n >> 3] >> 7 - (n & 7) & 1);
}
var bl = 4 * un, xl = class {
	restoredBytes;
	room = bl;
	heads;
	streams;
	next = 0;
	mask = null;
	constructor(e) {
		let t = new Fn(e);
		if (this.restoredBytes = t.varint(), this.restoredBytes > 67108864) throw new F("a form restores to more than a batch may hold");
		let n = t.varint();
		if (n > pl) throw new F(`a form of ${n} streams`);
		let r = un, i = Array.from({ length: n }, () => {
			let e = t.varint();
			if (r -= e, r < 0) throw new F("the streams of a form are too long");
			return {
				length: e,
				framed: t.varint()
			};
		});
		if (this.streams = i.map(({ length: e, framed: n }) => ({
			length: e,
			stored: t.take(n || e),
			framed: n > 0
		})), t.left) throw new F("a form is too long");
		this.heads = new Fn(this.take());
	}
	head(e) {
		return this.heads.take(e);
	}
	body() {
		return this.take();
	}
	byte() {
		return this.heads.byte();
	}
	uint32() {
		return this.view(4).getUint32(0, !0);
	}
	int32() {
		return this.view(4).getInt32(0, !0);
	}
	divisor() {
		let e = this.view(8).getFloat64(0, !0);
		if (!(e > 0 && e < Infinity)) throw new F("a resolution out of bounds");
		return e;
	}
	view(e) {
		let t = this.head(e);
		return new DataView(t.buffer, t.byteOffset, e);
	}
	words(e, t, n = 0) {
		let r = this.byte();
		if (r === 0) {
			let n = this.makeWords(e, t), r = X(n), i = this.head(t);
			for (let e = 0; e < r.length; e++) r[e] = i[e % t];
			return n;
		}
		if (r !== 32) return this.planes(r, e, t, n);
		let i = this.head(t * (this.byte() + 1)), a = this.planes(this.byte(), e, 1, n), o = this.makeWords(e, t), s = X(o);
		for (let n = 0; n < e; n++) {
			let e = a[n] * t;
			if (e >= i.length) throw new F("a column names more than its palette has");
			for (let r = 0; r < t; r++) s[n * t + r] = i[e + r];
		}
		return o;
	}
	floats(e, t, n = 0) {
		if (this.peek() !== 48) return Sl(this.words(e, t, n));
		this.byte();
		let r = this.byte(), i = this.divisor(), a = this.readMask(r, e), o = a ? a.reduce((e, t) => e + t, 0) : 0, s = (r & _l) !== 0, c = this.planes(this.byte(), s ? e : e - o, r & vl ? 8 : 4, n), l = t === 4 ? new Float32Array(e) : new Float64Array(e), u = c instanceof BigUint64Array ? new BigInt64Array(c.buffer) : new Int32Array(c.buffer), d = a ? Sl(this.words(o, t)) : /* @__PURE__ */ new Float32Array(), f = 0, p = 0;
		for (let t = 0; t < e; t++) {
			let e = a?.[t];
			l[t] = e ? d[p++] : Number(u[s ? t : f]) / i, e || (f += 1);
		}
		return a && Cl(l, a, d, t), l;
	}
	end(e) {
		if (this.heads.left) throw new F("the heads of a form are too long");
		if (this.next !== this.streams.length) throw new F("a form has too many streams");
		if (e.length !== this.restoredBytes) throw new F("a form restores to another length than it says");
		return e;
	}
	makeWords(e, t) {
		if (this.room -= e * t, this.room < 0) throw new F("the columns of a form are too long");
		return t === 1 ? new Uint8Array(e) : t === 2 ? new Uint16Array(e) : t === 4 ? new Uint32Array(e) : new BigUint64Array(e);
	}
	peek() {
		return this.heads.left ? this.heads.peek() : -1;
	}
	take(e) {
		let t = this.streams[this.next];
		if (!t) throw new F("a form lacks a stream");
		if (e !== void 0 && t.length !== e) throw new F(`a stream of ${t.length} bytes where ${e} belong`);
		return this.next += 1, t.framed ? wi(t.stored, t.length) : t.stored;
	}
	readMask(e, t) {
		if (e & hl) this.mask = yl(this.take(t + 7 >> 3), t);
		else if (!(e & gl)) return null;
		if (this.mask?.length !== t) throw new F("a column lacks its mask");
		return this.mask;
	}
	planes(e, t, n, r) {
		if (e >> 4 !== ml) throw new F(`unknown kind of column ${e}`);
		let i = this.byte();
		if (i > n) throw new F("a column has more planes than its words");
		let a = Array.from({ length: i }, () => this.take(t)), o = this.makeWords(t, n), s = X(o);
		return a.forEach((e, r) => {
			for (let i = 0, a = r; i < t; i++, a += n) s[a] = e[i];
		}), wl(o, r, e & 15), o;
	}
};
function Sl(e) {
	return e.BYTES_PER_ELEMENT === 4 ? new Float32Array(e.buffer) : new Float64Array(e.buffer);
}
function Cl(e, t, n, r) {
	let i = X(e), a = X(n), o = 0;
	t.forEach((e, t) => {
		e && i.set(a.subarray(r * o, r * ++o), r * t);
	});
}
function wl(e, t, n) {
	if (n !== 0) {
		if (n > 4) throw new F(`unknown predictor ${n}`);
		if (n > 2 && (t <= 0 || e.length % t)) throw new F("a predictor of pictures for what is none");
		if (e instanceof BigUint64Array) {
			for (let t = 0; t < e.length; t++) e[t] = e[t] >> 1n ^ -(e[t] & 1n);
			Dl(e, t, n, El);
		} else {
			for (let t = 0; t < e.length; t++) e[t] = e[t] >>> 1 ^ -(e[t] & 1);
			Dl(e, t, n, Tl);
		}
	}
}
function Tl(e, t, n) {
	for (let r = t + n; r < e.length; r++) e[r] = e[r] + e[r - n];
}
function El(e, t, n) {
	for (let r = t + n; r < e.length; r++) e[r] = e[r] + e[r - n];
}
function Dl(e, t, n, r) {
	if (n <= 2) for (let t = 0; t < n; t++) r(e, 0, 1);
	else {
		if (n === 4) for (let n = 0; n < e.length; n += t) r(e.subarray(n, n + t), 0, 1);
		r(e, 0, t);
	}
}
// src/protocol/forms/cloud.ts
var Ol = 64, kl = 4096, Al = [
	1,
	1,
	1,
	2,
	2,
	4,
	4,
	4,
	8
], jl = 7;
function Ml(e) {
	let t = new xl(e), n = t.head(t.uint32());
	if (!n.length) throw new F("a form without a cloud");
	let r = new ul(n.subarray(0, -1)), i = Nl(r), a = i.height * i.width, o = i.height > 1 ? i.width : 0, s = new Uint8Array(a * i.step), c = Fl(t, i, a, s);
	for (let e of i.fields) if (!c.includes(e.name)) for (let n = 0; n < e.count; n++) {
		let r = e.float ? t.floats(a, e.size, o) : t.words(a, e.size, o);
		Pl(s, e.offset + n * e.size, i.step, e.size, r);
	}
	let l = Uint8Array.of(+!!n.at(-1));
	return t.end(dl(r.bytes, [{
		count: s.length,
		bytes: s
	}], l));
}
function Nl(e) {
	e.header();
	let t = e.uint32(), n = e.uint32(), r = e.uint32();
	if (r > Ol) throw new F(`a cloud of ${r} fields`);
	let i = Array.from({ length: r }, () => {
		let t = e.text(), n = e.uint32(), r = e.uint8(), i = r ? Al[r] : void 0;
		if (i === void 0) throw new F(`unknown datatype ${r} of a field`);
		return {
			name: t,
			offset: n,
			size: i,
			float: r >= jl,
			count: e.uint32()
		};
	}), a = e.uint8(), o = e.uint32();
	if (e.uint32(), e.end(), a) throw new F("a form of big endian points");
	let s = t * n;
	if (s * Math.max(1, o) > 67108864 || !o && s) throw new F("a cloud that is too large");
	if (s * i.reduce((e, t) => e + t.size * t.count, 0) > 67108864) throw new F("the fields of a cloud overlap too often");
	for (let e of i) if (!e.count || e.count > kl || e.offset + e.size * e.count > o) throw new F("a field ends behind its point");
	return {
		height: t,
		width: n,
		step: o,
		fields: i
	};
}
function Pl(e, t, n, r, i) {
	let a = X(i);
	for (let i = 0, o = t; i < a.length; i += r, o += n) for (let t = 0; t < r; t++) e[o + t] = a[i + t];
}
function Fl(e, t, n, r) {
	let i = e.byte();
	if (!i) return [];
	let a = [
		"x",
		"y",
		"z"
	].map((e) => t.fields.filter((t) => t.name === e));
	if (i !== 1 || a.some((e) => e.length !== 1 || !e[0].float || e[0].count !== 1)) throw new F("a form of points that are none");
	let o = e.divisor(), s = yl(X(e.words(n + 7 >> 3, 1)), n), c = s.reduce((e, t) => e + t, 0), l = Math.ceil(c / 16), u = X(e.words(l, 1)), d = new Int8Array(e.words(l, 1).buffer), f = [
		0,
		1,
		2
	].map(() => new Int32Array(e.words(c, 4).buffer));
	return Vl(u, d, f), a.forEach((i, a) => {
		let { size: l, offset: u } = i[0], d = X(e.words(n - c, l)), p = l === 4 ? new Float32Array(n) : new Float64Array(n), m = X(p), h = 0, g = 0;
		for (let e = 0; e < n; e++) s[e] ? p[e] = f[a][h++] / o : m.set(d.subarray(l * g, l * ++g), l * e);
		Pl(r, u, t.step, l, p);
	}), [
		"x",
		"y",
		"z"
	];
}
var Il = 65536, Ll = Array.from({ length: 64 }, (e, t) => t - 32), Rl = Ll.map((e) => Math.round(Il * Math.tan(e * Math.PI / 256))), zl = Ll.map((e) => Math.round(Il * Math.sin(e * Math.PI / 128)));
function Bl(e, t) {
	return Math.floor((e * t + Il / 2) / Il);
}
function Vl(e, t, n) {
	let r = [
		0,
		0,
		0
	], i = [
		0,
		0,
		0
	], [a, o, s] = n;
	for (let n = 0; n < a.length; n++) {
		let c = e[n >> 4] + 32, l = c >> 6 & 3, u = Rl[c & 63], d = zl[c & 63], f = a[n] - r[0] | 0, p = o[n] - r[1] | 0, m = s[n] - r[2] | 0;
		r[0] = a[n], r[1] = o[n], r[2] = s[n];
		let h = m + Math.floor((t[n >> 4] * f + 64) / 128);
		f -= Bl(u, p), p += Bl(d, f), f -= Bl(u, p), (l === 2 || l === 3) && (f = -f), (l === 1 || l === 2) && (p = -p);
		let g = l & 1;
		i[0] = i[0] + (g ? p : f) | 0, i[1] = i[1] + (g ? f : p) | 0, i[2] = i[2] + h | 0, a[n] = i[0], o[n] = i[1], s[n] = i[2];
	}
}
// node_modules/@noble/hashes/_blake.js
var Hl = /* @__PURE__ */ Uint8Array.from([
	0,
	1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	14,
	10,
	4,
	8,
	9,
	15,
	13,
	6,
	1,
	12,
	0,
	2,
	11,
	7,
	5,
	3,
	11,
	8,
	12,
	0,
	5,
	2,
	15,
	13,
	10,
	14,
	3,
	6,
	7,
	1,
	9,
	4,
	7,
	9,
	3,
	1,
	13,
	12,
	11,
	14,
	2,
	6,
	5,
	10,
	4,
	0,
	15,
	8,
	9,
	0,
	5,
	7,
	2,
	4,
	10,
	15,
	14,
	1,
	11,
	12,
	6,
	8,
	3,
	13,
	2,
	12,
	6,
	10,
	0,
	11,
	8,
	3,
	4,
	13,
	7,
	5,
	15,
	14,
	1,
	9,
	12,
	5,
	1,
	15,
	14,
	13,
	4,
	10,
	0,
	7,
	6,
	3,
	9,
	2,
	8,
	11,
	13,
	11,
	7,
	14,
	12,
	1,
	3,
	9,
	5,
	0,
	15,
	4,
	8,
	6,
	2,
	10,
	6,
	15,
	14,
	9,
	11,
	3,
	0,
	8,
	12,
	2,
	13,
	7,
	1,
	4,
	10,
	5,
	10,
	2,
	8,
	4,
	7,
	6,
	1,
	5,
	15,
	11,
	9,
	14,
	3,
	12,
	13,
	0,
	0,
	1,
	2,
	3,
	4,
	5,
	6,
	7,
	8,
	9,
	10,
	11,
	12,
	13,
	14,
	15,
	14,
	10,
	4,
	8,
	9,
	15,
	13,
	6,
	1,
	12,
	0,
	2,
	11,
	7,
	5,
	3,
	11,
	8,
	12,
	0,
	5,
	2,
	15,
	13,
	10,
	14,
	3,
	6,
	7,
	1,
	9,
	4,
	7,
	9,
	3,
	1,
	13,
	12,
	11,
	14,
	2,
	6,
	5,
	10,
	4,
	0,
	15,
	8,
	9,
	0,
	5,
	7,
	2,
	4,
	10,
	15,
	14,
	1,
	11,
	12,
	6,
	8,
	3,
	13,
	2,
	12,
	6,
	10,
	0,
	11,
	8,
	3,
	4,
	13,
	7,
	5,
	15,
	14,
	1,
	9
]);
function Ul(e, t, n, r, i) {
	return e = e + t + i | 0, r = W(r ^ e, 16), n = n + r | 0, t = W(t ^ n, 12), {
		a: e,
		b: t,
		c: n,
		d: r
	};
}
function Wl(e, t, n, r, i) {
	return e = e + t + i | 0, r = W(r ^ e, 8), n = n + r | 0, t = W(t ^ n, 7), {
		a: e,
		b: t,
		c: n,
		d: r
	};
}
// node_modules/@noble/hashes/blake2.js
function Gl(e, t = {}, n, r, i) {
	if (ha(n), e <= 0 || e > n) throw Error("\"dkLen\" must be 1.." + n + ", got " + e);
	let { key: a, salt: o, personalization: s } = t;
	if (a !== void 0 && (a.length < 1 || a.length > n)) throw Error("\"key\" expected to be undefined or of length=1.." + n);
	o !== void 0 && U(o, r, "salt"), s !== void 0 && U(s, i, "personalization");
}
var Kl = class {
	buffer;
	buffer32;
	finished = !1;
	destroyed = !1;
	length = 0;
	pos = 0;
	blockLen;
	outputLen;
	canXOF = !1;
	constructor(e, t) {
		ha(e), ha(t), this.blockLen = e, this.outputLen = t, this.buffer = new Uint8Array(e), this.buffer32 = xa(this.buffer);
	}
	update(e) {
		ya(this), U(e);
		let { blockLen: t, buffer: n, buffer32: r } = this, i = e.length, a = e.byteOffset, o = e.buffer;
		for (let s = 0; s < i;) {
			this.pos === t && (Oa(r), this.compress(r, 0, !1), Oa(r), this.pos = 0);
			let c = Math.min(t - this.pos, i - s), l = a + s;
			if (c === t && !(l % 4) && s + c < i) {
				let e = new Uint32Array(o, l, Math.floor((i - s) / 4));
				Oa(e);
				for (let n = 0; s + t < i; n += r.length, s += t) this.length += t, this.compress(e, n, !1);
				Oa(e);
			} else n.set(s === 0 && c === i ? e : e.subarray(s, s + c), this.pos), this.pos += c, this.length += c, s += c;
		}
		return this;
	}
	digestInto(e) {
		if (ya(this), ba(e, this), e.byteOffset & 3) throw RangeError("\"output\" expected 4-byte aligned byteOffset, got " + e.byteOffset);
		let { pos: t, buffer32: n } = this;
		this.finished = !0, this.buffer.fill(0, t), Oa(n), this.compress(n, 0, !0), Oa(n);
		let r = this.get(), i = e === this.buffer ? n : xa(e), a = Math.floor(this.outputLen / 4);
		for (let e = 0; e < a; e++) i[e] = Ea(r[e]);
		let o = this.outputLen % 4;
		if (!o) return;
		let s = a * 4, c = r[a];
		for (let t = 0; t < o; t++) e[s + t] = c >>> 8 * t;
	}
	digest() {
		let { buffer: e, outputLen: t } = this;
		this.digestInto(e);
		let n = e.slice(0, t);
		return this.destroy(), n;
	}
	_cloneInto(e) {
		let { buffer: t, length: n, finished: r, destroyed: i, outputLen: a, pos: o } = this;
		return e ||= new this.constructor({ dkLen: a }), e.set(...this.get()), e.buffer.set(t), e.destroyed = i, e.finished = r, e.length = n, e.pos = o, e.outputLen = a, e;
	}
	clone() {
		return this._cloneInto();
	}
};
function ql(e, t, n, r, i, a, o, s, c, l, u, d, f, p, m, h, g, _, v, y) {
	let b = 0;
	for (let x = 0; x < r; x++) ({a: i, b: c, c: f, d: g} = Ul(i, c, f, g, n[t + e[b++]])), {a: i, b: c, c: f, d: g} = Wl(i, c, f, g, n[t + e[b++]]), {a: a, b: l, c: p, d: _} = Ul(a, l, p, _, n[t + e[b++]]), {a: a, b: l, c: p, d: _} = Wl(a, l, p, _, n[t + e[b++]]), {a: o, b: u, c: m, d: v} = Ul(o, u, m, v, n[t + e[b++]]), {a: o, b: u, c: m, d: v} = Wl(o, u, m, v, n[t + e[b++]]), {a: s, b: d, c: h, d: y} = Ul(s, d, h, y, n[t + e[b++]]), {a: s, b: d, c: h, d: y} = Wl(s, d, h, y, n[t + e[b++]]), {a: i, b: l, c: m, d: y} = Ul(i, l, m, y, n[t + e[b++]]), {a: i, b: l, c: m, d: y} = Wl(i, l, m, y, n[t + e[b++]]), {a: a, b: u, c: h, d: g} = Ul(a, u, h, g, n[t + e[b++]]), {a: a, b: u, c: h, d: g} = Wl(a, u, h, g, n[t + e[b++]]), {a: o, b: d, c: f, d: _} = Ul(o, d, f, _, n[t + e[b++]]), {a: o, b: d, c: f, d: _} = Wl(o, d, f, _, n[t + e[b++]]), {a: s, b: c, c: p, d: v} = Ul(s, c, p, v, n[t + e[b++]]), {a: s, b: c, c: p, d: v} = Wl(s, c, p, v, n[t + e[b++]]);
	return {
		v0: i,
		v1: a,
		v2: o,
		v3: s,
		v4: c,
		v5: l,
		v6: u,
		v7: d,
		v8: f,
		v9: p,
		v10: m,
		v11: h,
		v12: g,
		v13: _,
		v14: v,
		v15: y
	};
}
var Z = /* @__PURE__ */ Ha.slice(), Jl = class extends Kl {
	v0 = Z[0] | 0;
	v1 = Z[1] | 0;
	v2 = Z[2] | 0;
	v3 = Z[3] | 0;
	v4 = Z[4] | 0;
	v5 = Z[5] | 0;
	v6 = Z[6] | 0;
	v7 = Z[7] | 0;
	constructor(e = {}) {
		e = Fa({}, e);
		let t = e.dkLen === void 0 ? 32 : e.dkLen;
		super(64, t), Gl(t, e, 32, 8, 8);
		let { key: n, personalization: r, salt: i } = e, a = 0;
		if (n !== void 0 && (U(n, void 0, "key"), a = n.length), this.v0 ^= this.outputLen | a << 8 | 16842752, i !== void 0) {
			U(i, void 0, "salt");
			let e = xa(ga(i));
			this.v4 ^= Ea(e[0]), this.v5 ^= Ea(e[1]);
		}
		if (r !== void 0) {
			U(r, void 0, "personalization");
			let e = xa(ga(r));
			this.v6 ^= Ea(e[0]), this.v7 ^= Ea(e[1]);
		}
		if (n !== void 0) {
			let e = new Uint8Array(this.blockLen);
			e.set(n), this.update(e), Sa(e);
		}
	}
	get() {
		let { v0: e, v1: t, v2: n, v3: r, v4: i, v5: a, v6: o, v7: s } = this;
		return [
			e,
			t,
			n,
			r,
			i,
			a,
			o,
			s
		];
	}
	set(e, t, n, r, i, a, o, s) {
		this.v0 = e | 0, this.v1 = t | 0, this.v2 = n | 0, this.v3 = r | 0, this.v4 = i | 0, this.v5 = a | 0, this.v6 = o | 0, this.v7 = s | 0;
	}
	compress(e, t, n) {
		let r = Qi(this.length), i = Zi(this.length), { v0: a, v1: o, v2: s, v3: c, v4: l, v5: u, v6: d, v7: f, v8: p, v9: m, v10: h, v11: g, v12: _, v13: v, v14: y, v15: b } = ql(Hl, t, e, 10, this.v0, this.v1, this.v2, this.v3, this.v4, this.v5, this.v6, this.v7, Z[0], Z[1], Z[2], Z[3], r ^ Z[4], i ^ Z[5], n ? ~Z[6] : Z[6], Z[7]);
		this.v0 ^= a ^ p, this.v1 ^= o ^ m, this.v2 ^= s ^ h, this.v3 ^= c ^ g, this.v4 ^= l ^ _, this.v5 ^= u ^ v, this.v6 ^= d ^ y, this.v7 ^= f ^ b;
	}
	destroy() {
		this.destroyed = !0, Sa(this.buffer32), this.set(0, 0, 0, 0, 0, 0, 0, 0);
	}
}, Yl = /* @__PURE__ */ Ia((e) => new Jl(e));
// src/protocol/forms/sensors.ts
function Xl(e) {
	return Ql(e, eu);
}
function Zl(e) {
	return Ql(e, (e, t) => e.floats(t, 4));
}
function Ql(e, t) {
	let n = new xl(e), r = new ul(n.head(n.uint32()));
	r.header(), r.skip(7, 4), r.end();
	let i = n.uint32(), a = n.uint32();
	if (4 * (i + a) > 67108864) throw new F(`a scan of ${i} ranges`);
	let o = [{
		count: i,
		bytes: X(t(n, i))
	}, {
		count: a,
		bytes: X(n.floats(a, 4))
	}];
	return n.end(dl(r.bytes, o));
}
var $l = 255;
function eu(e, t) {
	let n = e.divisor(), r = e.byte();
	if (r > 8) throw new F("ranges of more than 64 bits");
	let i = new Fn(e.body()), a = tu(i, t), o = i.take(a.reduce((e, t) => e + t, 0)), s = o.reduce((e, t) => e + Number(t === $l), 0), c = i.take(r * s);
	if (i.left) throw new F("ranges are too long");
	let l = new Uint32Array(e.words(t - o.length, 4).buffer), u = new Float32Array(t), d = new Uint32Array(u.buffer), f = 0, p = 0, m = 0, h = 0;
	for (let e = 0; e < t; e++) {
		if (!a[e]) {
			d[e] = l[m++];
			continue;
		}
		let t = o[f++];
		if (t === $l) {
			for (let e = 0; e < r; e++) t += c[e * s + p] * 256 ** e;
			p += 1;
		}
		h += t % 2 ? -(t + 1) / 2 : t / 2, u[e] = h / n;
	}
	return u;
}
function tu(e, t) {
	let n = new Uint8Array(t);
	for (let r = 0, i = 1; r < t; i ^= 1) {
		let a = 0, o;
		do
			a += o = e.byte();
		while (o === $l && a <= t);
		if (r + a > t) throw new F("the runs of a scan are longer than it");
		n.fill(i, r, r + a), r += a;
	}
	return n;
}
var nu = {
	"16UC1": ["u", 2],
	mono16: ["u", 2],
	"16SC1": ["i", 2],
	"32SC1": ["i", 4],
	"32FC1": ["f", 4],
	"64FC1": ["f", 8]
}, ru = 4e4;
function iu(e) {
	let t = new xl(e), n = new ul(t.head(t.uint32()));
	n.header();
	let r = n.uint32(), i = n.uint32(), a = n.text(), o = n.uint8(), s = n.uint32(), c = n.uint32();
	n.end();
	let l = Object.hasOwn(nu, a) ? nu[a] : null;
	if (!l || o || c || s !== i * l[1]) throw new F("a form of another image than it says");
	if (!r || !i || r * s > 67108864) throw new F(`an image of ${i} x ${r} pixels`);
	let [u, d] = l, f = u === "f" ? X(t.floats(r * i, d, i)) : au(t, r * i, d, i, u === "i");
	return t.end(dl(n.bytes.subarray(0, -4), [{
		count: f.length,
		bytes: f
	}]));
}
function au(e, t, n, r, i) {
	let a = e.uint32();
	if (a < 1 || a > ru) throw new F("a resolution out of bounds");
	let o = e.byte() ? yl(X(e.words(t + 7 >> 3, 1)), t) : null, s = e.words(t, n, r), c = n === 4 ? new Int32Array(s.buffer) : i ? new Int16Array(s.buffer) : new Uint16Array(s.buffer);
	return a > 1 && ou(c, a, n, i), o?.forEach((e, t) => {
		e || (c[t] = 0);
	}), X(c);
}
function ou(e, t, n, r) {
	let i = r ? 2 ** (8 * n - 1) - 1 : 2 ** (8 * n) - 1, a = r ? -i - 1 : 0;
	for (let n = 0; n < e.length; n++) {
		let r = e[n];
		if (!r) continue;
		let o = (Math.abs(r) - 1) * t + 1 + (t >> 1);
		e[n] = Math.max(a, Math.min(i, r < 0 ? -o : o));
	}
}
var su = 0, cu = 1, lu = 4, uu = 67108864, du = 255, fu = class {
	full = /* @__PURE__ */ new Map();
	restore(e) {
		let t = new xl(e), n = t.byte(), r = new ul(t.head(t.uint32()));
		r.header(), r.skip(3, 4);
		let i = r.uint32(), a = r.uint32();
		if (r.skip(7, 8), r.end(), i * a > 67108864) throw new F(`a grid of ${i} x ${a} cells`);
		if (n === su) {
			let e = X(t.words(i * a, 1, i)), n = t.end(dl(r.bytes, [{
				count: e.length,
				bytes: e
			}]));
			return this.keep(H(Yl(n, { dkLen: 8 })), {
				width: i,
				height: a,
				cells: e
			}), n;
		}
		if (n !== cu) throw new F(`unknown kind of grid ${n}`);
		let o = H(t.head(8)), s = t.int32(), c = t.int32(), l = this.full.get(o);
		if (!l) throw new F("a difference from a full grid that is not here");
		let u = pu(t.words(i * a, 1), {
			width: i,
			height: a,
			right: s,
			up: c
		}, l);
		return t.end(dl(r.bytes, [{
			count: u.length,
			bytes: u
		}]));
	}
	keep(e, t) {
		this.full.delete(e), this.full.set(e, t);
		let n = 0;
		for (let { cells: e } of this.full.values()) n += e.length;
		for (let [e, { cells: t }] of this.full) {
			if (this.full.size <= lu && n <= uu) break;
			n -= t.length, this.full.delete(e);
		}
	}
};
function pu(e, t, n) {
	let r = X(e), { width: i, height: a, right: o, up: s } = t;
	for (let e = 0, t = 0; e < a; e++) {
		let a = e - s, c = a >= 0 && a < n.height;
		for (let e = 0; e < i; e++, t++) {
			let i = e - o, s = c && i >= 0 && i < n.width ? n.cells[a * n.width + i] : du;
			r[t] = r[t] + s;
		}
	}
	return r;
}
// src/protocol/forms/index.ts
var mu = {
	"cloud_quantize/1": Ml,
	"depth/1": iu,
	"laser_quantize/1": Zl,
	"laser_quantize/2": Xl
}, hu = "grid_diff/1", gu = 256, _u = 4194304, vu = class extends F {
	name = "UnknownForm";
}, yu = class {
	form;
	grids;
	held = [];
	heldBytes = 0;
	constructor(e) {
		this.form = e, this.grids = e === hu ? new fu() : null;
	}
	note(e) {
		if (this.grids) for (this.held.push(e), this.heldBytes += e.length; this.held.length > 1 && (this.heldBytes > _u || this.held.length > gu);) this.heldBytes -= this.held.shift().length;
	}
	restore(e) {
		let { grids: t } = this;
		if (!t) return bu(this.form, e);
		try {
			return xu(this.form, (e) => t.restore(e), e);
		} catch (e) {
			if (!this.held.length) throw e;
		}
		let { held: n } = this;
		this.held = [], this.heldBytes = 0;
		for (let e of n) try {
			t.restore(e);
		} catch {
			continue;
		}
		return xu(this.form, (e) => t.restore(e), e);
	}
};
function bu(e, t) {
	if (!Object.hasOwn(mu, e)) throw new vu(`nobody here knows the form ${e}`);
	return xu(e, mu[e], t);
}
function xu(e, t, n) {
	try {
		return t(n);
	} catch (t) {
		throw t instanceof F ? t : new F(`${e}: cannot be restored: ${String(t)}`);
	}
}
// src/protocol/account.ts
function Su({ fields: e }) {
	let t = I(e[4], "an account");
	if (!t.length || t.length > 4096) throw new F(`an account has 1 to ${dn} routes`);
	let n = hn, r = t.map((e) => {
		let t = Cu(e, n);
		return n -= t.gaps.length, t;
	});
	if (new Set(r.map((e) => e.route)).size !== r.length) throw new F("an account has a route twice");
	return r;
}
function Cu(e, t) {
	let n = I(e, "a route in an account");
	if (n.length !== 5) throw new F("a route in an account has five fields");
	let [r, i, a, o, s] = n;
	if (typeof o != "boolean") throw new F("a route in an account is closed or not");
	let c = I(s, "gaps");
	if (c.length > t) throw new F(`an account has at most ${hn} gaps`);
	let l = 1n;
	return {
		route: R(r, "route"),
		descriptor: Gi(i),
		committed: R(a, "committed"),
		closed: o,
		gaps: c.map((e) => {
			let t = wu(e, l);
			return l = t.last + 1n, t;
		})
	};
}
function wu(e, t) {
	let n = I(e, "a gap");
	if (n.length !== 3) throw new F("a gap has a reason, a first and a last number");
	let r = Number(R(n[0], "reason")), i = R(n[1], "gap"), a = R(n[2], "gap");
	if (r < 16 || r > 255) throw new F("reasons of gaps are 16 to 255");
	if (i < t || a < i) throw new F("gaps rise from 1 on and do not overlap");
	return {
		reason: r,
		first: i,
		last: a
	};
}
// src/protocol/asking.ts
var Tu = 1, Eu = 1e3, Du = 2e3, Ou = 6e4, ku = 64;
function Au(e) {
	let t = /* @__PURE__ */ new Map();
	for (let n of [
		"info",
		"routes",
		"latched"
	]) e[n] && t.set(n, !0);
	return e.schemas?.length && t.set("schema", e.schemas.map(Ni)), e.dictionaries?.length && t.set("dict", e.dictionaries.map(Ni)), e.leases?.length && t.set("lease", e.leases.map(({ stream: e, hz: t, seconds: n }) => [
		e,
		new En(t),
		new En(n)
	])), jn([Tu, t]);
}
var ju = class {
	needs = /* @__PURE__ */ new Map();
	earliestMs = -Infinity;
	firstSeenMs = null;
	reconnected() {
		this.needs.clear();
	}
	due(e, t) {
		this.firstSeenMs ??= t;
		let n = Mu(e, t - this.firstSeenMs >= Eu);
		this.needs = new Map(n.map((e) => [e, this.needs.get(e) ?? {
			dueMs: t,
			times: 0
		}]));
		let r = n.filter((e) => this.needs.get(e).dueMs <= t);
		if (!r.length || t < this.earliestMs) return null;
		this.earliestMs = t + Du;
		for (let e of r) {
			let n = this.needs.get(e);
			n.dueMs = t + Math.min(Du * 2 ** n.times, Ou), n.times = Math.min(n.times + 1, 8);
		}
		return {
			info: r.includes("info"),
			routes: r.includes("routes"),
			latched: r.includes("latched"),
			schemas: Nu("schema:", r),
			dictionaries: Nu("dict:", r)
		};
	}
};
function Mu(e, t) {
	return [
		...e.info && t ? [
			"info",
			"routes",
			"latched"
		] : e.routes ? ["routes"] : [],
		...e.schemas.slice(0, ku).map((e) => `schema:${e}`),
		...e.dictionaries.map((e) => `dict:${e}`)
	];
}
function Nu(e, t) {
	return t.filter((t) => t.startsWith(e)).map((t) => t.slice(e.length));
}
// src/protocol/dictionaries.ts
var Pu = 16, Fu = 16, Iu = 512;
function Lu(e) {
	let t = I(An(e, { maxBytes: 2 * vn }), "a dictionary");
	if (t.length !== 4) throw new F("a dictionary has four fields");
	Mi(t[0]);
	let n = z(t[2], "the length of a dictionary", vn);
	if (n < 8) throw new F("a dictionary has at least 8 bytes");
	let r = wi(L(t[3], "a dictionary"), n), i = H(to(r).subarray(0, 4));
	if (i !== H(L(t[1], "a name", 4))) throw new F("a dictionary has another name than its content");
	return {
		name: i,
		content: r
	};
}
var Ru = class {
	quota;
	givenUp = 0;
	known = /* @__PURE__ */ new Map();
	waiting = /* @__PURE__ */ new Map();
	heldBytes = 0;
	constructor(e) {
		this.quota = e;
	}
	get wanted() {
		return [...this.waiting.keys()];
	}
	use(e) {
		let t = this.known.get(e);
		return t ? (this.known.delete(e), this.known.set(e, t), t) : null;
	}
	hold(e, t) {
		for (let e of t.message.fields) if (typeof e != "number" && typeof e != "bigint" && !(e instanceof Uint8Array)) throw new F("a batch has integers and byte strings");
		let n = this.waiting.get(e) ?? [];
		for (this.waiting.set(e, n), n.push(t), this.heldBytes += zu(t); this.heldBytes > this.quota || this.waiting.size > Fu;) {
			let [e, t] = this.waiting.entries().next().value;
			this.heldBytes -= zu(t.shift()), this.givenUp += 1, t.length || this.waiting.delete(e);
		}
	}
	add({ name: e, content: t }) {
		this.known.delete(e), this.known.set(e, t), this.known.size > Pu && this.known.delete(this.known.keys().next().value);
		let n = this.waiting.get(e) ?? [];
		this.waiting.delete(e);
		for (let e of n) this.heldBytes -= zu(e);
		return n;
	}
};
function zu({ message: e }) {
	return e.fields.reduce((e, t) => e + (t instanceof Uint8Array ? t.length : 0), Iu);
}
// src/protocol/documents.ts
var Bu = 4096, Vu = 1024, Hu = 256, Uu = 64, Wu = 256, Gu = 0xde0b6b3a7640000, Ku = /^[0-9a-f]{16}$/, qu = /^([0-9a-f]{16})?$/, Ju = /[\ud800-\udfff]/u, Yu = new TextDecoder("utf-8", { fatal: !0 });
function Xu(e) {
	if (e.length > 1048576) throw new F(`document of ${e.length} bytes is over the limit of ${yn}`);
	let t;
	try {
		t = JSON.parse(Yu.decode(e));
	} catch (e) {
		throw new F(`not JSON: ${String(e)}`);
	}
	if (!dd(t)) throw new F("a document is a JSON object");
	let n = t.boot_id;
	if (typeof n != "string" || !Ku.test(n)) throw new F("a document has a boot_id of 16 hexadecimal digits");
	return t;
}
function Zu(e) {
	let t = e.state;
	return t !== "online" && t !== "offline" ? null : {
		bootId: $(e.boot_id),
		online: t === "online",
		reason: $(e.reason),
		connection: Q(e.connection) ?? 0,
		trustsTransport: e.trust === "transport"
	};
}
function Qu(e, t) {
	return e.bootId === t.bootId ? e.connection === t.connection ? e.online !== t.online : e.connection > t.connection : e.online || !t.online;
}
function $u(e) {
	let t = e.routes ?? [];
	if (!Array.isArray(t) || t.length > Bu) throw new F(`info has at most ${Bu} routes`);
	let n = t.map(td);
	return {
		bootId: $(e.boot_id),
		bridgeVersion: $(e.bridge_version),
		configHash: $(e.config_hash),
		key: $(e.key),
		kid: $(e.kid),
		channels: pd(e.channels, Vu).map((e) => ({
			name: $(e.name),
			kind: $(e.kind),
			type: $(e.type),
			lease: e.lease === !0,
			maxTtlS: Q(e.max_ttl_s) ?? 0
		})),
		streams: pd(e.streams, Vu).map(ed),
		routesTotal: Q(e.routes_total) ?? n.length,
		routes: n
	};
}
function ed(e) {
	return {
		name: $(e.name, _n),
		topics: Array.isArray(e.topics) ? e.topics.slice(0, Hu).map((e) => $(e)) : [],
		maxHz: Q(e.max_hz),
		keep: $(e.keep),
		confirm: $(e.confirm),
		confirmBy: $(e.confirm_by),
		priority: $(e.priority),
		weight: Q(e.weight),
		maxAgeS: Q(e.max_age_s),
		onDemand: e.on_demand === !0,
		idleHz: Q(e.idle_hz)
	};
}
function td(e) {
	let t = new F("a route in info has route, stream, topic, type and schema");
	if (!dd(e) || !nd(e.route)) throw t;
	let { stream: n, topic: r, type: i, schema: a, form: o = "" } = e;
	for (let e of [
		n,
		r,
		i,
		a,
		o
	]) if (typeof e != "string" || e.length > 1024 || Ju.test(e)) throw t;
	if (!qu.test(a) || o.length > 64) throw t;
	return {
		route: BigInt(e.route),
		stream: n,
		topic: r,
		typeName: i,
		schemaId: a,
		form: o,
		latched: e.latched === !0,
		reducer: $(e.reducer),
		error: $(e.error),
		sourceType: $(e.source_type)
	};
}
function nd(e) {
	return typeof e == "number" && Number.isSafeInteger(e) && e >= 0;
}
function rd(e) {
	let t = fd(e.demand);
	return {
		bootId: $(e.boot_id),
		uptimeS: Q(e.uptime_s),
		timeNs: typeof e.time_ns == "number" && Number.isFinite(e.time_ns) ? e.time_ns : null,
		link: id(fd(e.link)),
		streams: pd(e.streams, Vu).map(od),
		leases: pd(t.leases, Hu).map((e) => ({
			stream: $(e.stream),
			consumer: $(e.consumer),
			hz: Q(e.hz),
			endsInS: Q(e.ends_in_s)
		})),
		refusedLeases: ud(t.refused),
		grantsLeases: "demand" in e,
		routes: sd(e.routes ?? []),
		routesTotal: Q(e.routes_total) ?? 0,
		spool: cd(fd(e.spool)),
		problems: ud(e.problems)
	};
}
function id(e) {
	let t = fd(e.budget);
	return {
		connected: e.connected === !0,
		connection: Q(e.connection),
		limitedBy: $(e.limited_by),
		algorithm: $(e.algorithm),
		rateBytesPerS: Q(e.rate_bytes_per_s),
		baseRttS: Q(e.base_rtt_s),
		rttS: Q(e.rtt_s),
		queueDelayS: Q(e.queue_delay_s),
		windowBytes: Q(e.window_bytes),
		inFlight: Q(e.in_flight),
		inFlightBytes: Q(e.in_flight_bytes),
		sentBytes: Q(e.sent_bytes),
		sentMessages: Q(e.sent_messages),
		stalled: e.stalled === !0,
		budget: Object.keys(t).length ? ad(t) : null,
		retransmittedSegments: Q(fd(e.tcp).retransmitted_segments)
	};
}
function ad(e) {
	return {
		limitBytes: Q(e.limit_bytes),
		usedBytes: Q(e.used_bytes),
		leftBytes: Q(e.left_bytes),
		rateBytesPerS: Q(e.rate_bytes_per_s),
		resetsInS: Q(e.resets_in_s),
		exhausted: e.exhausted === !0
	};
}
function od(e) {
	return {
		stream: $(e.stream),
		priority: $(e.priority),
		step: Q(e.step),
		steps: Q(e.steps),
		now: $(e.now),
		maxHz: Q(e.max_hz),
		demandHz: Q(e.demand_hz)
	};
}
function sd(e) {
	if (!Array.isArray(e) || e.length > Bu) throw new F(`health has at most ${Bu} routes`);
	return e.map((e) => {
		let t = dd(e) ? e.dropped ?? {} : null;
		if (!dd(e) || !nd(e.route) || !dd(t) || Object.keys(t).length > Uu) throw new F("a route in health has its number and counts by reason");
		return {
			route: BigInt(e.route),
			stream: $(e.stream),
			topic: $(e.topic),
			figures: ld(e, ["route"]),
			dropped: ld(t, [])
		};
	});
}
function cd(e) {
	return Object.keys(e).length ? {
		state: $(e.state),
		recovered: $(e.recovered),
		figures: ld(e, []),
		streams: pd(e.streams, Vu).map((e) => ({
			stream: $(e.stream),
			waitsFor: $(e.waits_for),
			figures: ld(e, [])
		}))
	} : null;
}
function ld(e, t) {
	let n = Object.create(null);
	for (let r of Object.keys(e).slice(0, Uu)) {
		let i = Q(e[r]);
		i !== null && !t.includes(r) && (n[r.slice(0, Wu)] = i);
	}
	return n;
}
function ud(e) {
	let t = Object.create(null);
	for (let [n, r] of Object.entries(fd(e)).slice(0, Hu)) t[n.slice(0, Wu)] = $(r);
	return t;
}
function Q(e) {
	return typeof e == "number" && e >= 0 && e <= Gu ? e : null;
}
function $(e, t = Wu) {
	return typeof e == "string" ? e.slice(0, t) : "";
}
function dd(e) {
	return typeof e == "object" && !!e && !Array.isArray(e);
}
function fd(e) {
	return dd(e) ? e : {};
}
function pd(e, t) {
	return Array.isArray(e) ? e.slice(0, t).filter(dd) : [];
}
// src/protocol/ranges.ts
var md = class {
	left;
	constructor(e) {
		this.left = e;
	}
}, hd = class {
	maxRanges;
	room;
	total = 0n;
	starts = [];
	ends = [];
	constructor(e, t = null) {
		this.maxRanges = e, this.room = t;
	}
	get ranges() {
		return this.starts.map((e, t) => ({
			first: e,
			last: this.ends[t]
		}));
	}
	get last() {
		return this.ends.at(-1) ?? 0n;
	}
	covers(e, t) {
		return t < e || this.holes(e, t).length === 0;
	}
	count(e, t) {
		let n = t < e ? 0n : t - e + 1n;
		for (let r of this.holes(e, t)) n -= r.last - r.first + 1n;
		return n;
	}
	holes(e, t) {
		let n = [], r = e;
		for (let i = gd(this.ends, e); i < this.starts.length && this.starts[i] <= t; i++) r < this.starts[i] && n.push({
			first: r,
			last: this.starts[i] - 1n
		}), r = this.ends[i] + 1n;
		return r <= t && n.push({
			first: r,
			last: t
		}), n;
	}
	add(e, t) {
		let { starts: n, ends: r } = this;
		if (r.length && e === r.at(-1) + 1n) return r[r.length - 1] = t, this.total += t - e + 1n, !0;
		let i = gd(r, e - 1n), a = gd(n, t + 2n), o = 1 - (a - i);
		if (this.room && o > 0 && (this.room.left < 1 || n.length >= this.maxRanges)) return !1;
		this.room && (this.room.left -= o), this.total += t - e + 1n - this.count(e, t);
		let s = o < 1 && n[i] < e ? n[i] : e, c = o < 1 && r[a - 1] > t ? r[a - 1] : t;
		return n.splice(i, a - i, s), r.splice(i, a - i, c), !this.room && n.length > this.maxRanges && (this.total += n[1] - r[0] - 1n, n.splice(1, 1), r.splice(0, 1)), !0;
	}
	clear() {
		this.room && (this.room.left += this.starts.length), this.starts.length = this.ends.length = 0, this.total = 0n;
	}
};
function gd(e, t) {
	let n = 0, r = e.length;
	for (; n < r;) {
		let i = n + r >> 1;
		e[i] < t ? n = i + 1 : r = i;
	}
	return n;
}
// src/protocol/losses.ts
var _d = 16, vd = 256, yd = 1024, bd = 262144, xd = 16, Sd = {
	1: "lost_before_bridge",
	2: "rate",
	3: "decimation",
	4: "duplicate",
	5: "degraded",
	6: "not_demanded",
	7: "unchanged",
	8: "not_reduced",
	16: "superseded",
	17: "overflow_samples",
	18: "overflow_bytes",
	19: "expired",
	20: "abandoned",
	21: "refused",
	22: "shutdown",
	23: "not_committed",
	24: "spool_full",
	25: "damaged"
};
function Cd(e) {
	return Sd[e] ?? `reason_${e}`;
}
function wd(e) {
	let t = 0n;
	for (let [n, r] of e) n >= _d && (t += r);
	return t;
}
function Td(e) {
	return e > 0n ? e : 0n;
}
function Ed(e) {
	let t = e.length - 1;
	if (e[t] - e[0] === BigInt(t)) return [{
		first: e[0],
		last: e[t]
	}];
	let n = [], r = 0;
	for (let t = 1; t <= e.length; t++) t < e.length && e[t] === e[t - 1] + 1n || (n.push({
		first: e[r],
		last: e[t - 1]
	}), r = t);
	return n;
}
function Dd(e, t, n) {
	let r = t.first;
	for (let t of n) {
		for (; r < t.first; r++) e.push(!1);
		for (; r <= t.last; r++) e.push(!0);
	}
	for (; r <= t.last; r++) e.push(!1);
}
var Od = class {
	received = 0;
	duplicates = 0;
	first = null;
	totals = /* @__PURE__ */ new Map();
	told = {};
	seen = new hd(yd);
	last = 0n;
	present = 0n;
	baseline = null;
	take(e, t, n) {
		let r = this.first, i = this.last, a = this.gap(), o = [];
		for (let t of Ed(e)) this.accept(t, n, o);
		if (this.count(o), this.hearTotals(t), this.first === null) return o;
		let s = Td(this.gap() - a), c = r === null || this.first < r;
		if (t && c) {
			let n = e.at(-1) - e[0] + 1n - BigInt(e.length);
			this.baseline = Td(wd(t) - n);
		} else t && this.baseline === null && this.last > i ? this.baseline = Td(wd(t) - s) : c && this.baseline !== null && (this.baseline = Td(this.baseline - s));
		return o;
	}
	count(e) {
		let t = e.reduce((e, t) => e + Number(t), 0);
		this.received += t, this.duplicates += e.length - t;
	}
	hearTotals(e) {
		for (let [t, n] of e ?? []) {
			let e = this.totals.get(t);
			(e === void 0 ? this.totals.size < vd : n > e) && this.totals.set(t, n);
		}
	}
	accept(e, t, n) {
		let r = this.seen.holes(e.first, e.last);
		if (Dd(n, e, r), this.seen.add(e.first, e.last), this.first === null) {
			if (t) return;
			this.first = e.first, this.last = e.last, this.present = e.last - e.first + 1n;
			return;
		}
		let { first: i, last: a } = this;
		for (let e of r) {
			let t = e.first > i ? e.first : i, n = e.last < a ? e.last : a;
			this.present += Td(n - t + 1n);
		}
		e.last > a && (this.present += this.seen.count(a + 1n, e.last), this.last = e.last), e.first < i && !t && (this.present += this.seen.count(e.first, i - 1n), this.first = e.first);
	}
	gap() {
		return this.first === null ? 0n : this.last - this.first + 1n - this.present;
	}
	hear(e) {
		this.told = e;
	}
	reported() {
		let e = {};
		for (let [t, n] of this.totals) e[Cd(t)] = Number(n);
		for (let [t, n] of Object.entries(this.told)) Object.defineProperty(e, t, {
			value: Math.max(n, Object.hasOwn(e, t) ? e[t] : 0),
			enumerable: !0,
			writable: !0
		});
		return e;
	}
	missing() {
		let e = this.gap();
		return this.baseline === null ? {
			missing: e,
			unexplained: e
		} : {
			missing: e,
			unexplained: Td(e - (wd(this.totals) - this.baseline))
		};
	}
	before() {
		return {
			first: this.first,
			totals: this.totals,
			told: this.told,
			ranges: this.seen.ranges
		};
	}
}, kd = class extends Od {
	room;
	committed = null;
	closed = !1;
	came;
	settled;
	gone;
	goneBy = /* @__PURE__ */ new Map();
	constructor(e, t) {
		if (super(), this.room = e, this.came = new hd(bd, e), this.settled = new hd(bd, e), this.gone = new hd(bd, e), !t) return;
		let { first: n, totals: r, told: i, ranges: a } = t.before();
		Object.assign(this, {
			first: n,
			totals: r,
			told: i
		}), this.received = t.received, this.duplicates = t.duplicates;
		for (let e of a) this.note(e);
	}
	take(e, t, n) {
		this.hearTotals(t);
		let r = [];
		for (let t of Ed(e)) {
			let e = this.came.holes(t.first, t.last);
			Dd(r, t, e), e.length && this.note({
				first: e[0].first,
				last: t.last
			});
		}
		return !n && (this.first === null || e[0] < this.first) && (this.first = e[0]), this.count(r), r;
	}
	note({ first: e, last: t }) {
		this.came.add(e, t) && this.settled.add(e, t);
	}
	tell(e, t, n) {
		(this.committed === null || e > this.committed) && (this.committed = e), this.closed ||= t;
		for (let e of n) {
			let t = this.goneFor(e.reason);
			for (let { first: n, last: r } of this.gone.holes(e.first, e.last)) this.gone.add(n, r) && t.add(n, r) && this.settled.add(n, r);
		}
	}
	goneFor(e) {
		let t = this.goneBy.get(e);
		return t || (this.room.left -= xd, this.goneBy.set(e, t = new hd(bd, this.room))), t;
	}
	release() {
		for (let e of [
			this.came,
			this.settled,
			this.gone,
			...this.goneBy.values()
		]) e.clear();
		this.room.left += xd * this.goneBy.size, this.goneBy.clear();
	}
	get complete() {
		return this.committed !== null && this.settled.covers(1n, this.committed);
	}
	get outstanding() {
		let e = this.committed ?? 0n;
		return e - this.settled.count(1n, e);
	}
	reported() {
		let e = super.reported();
		for (let [t, n] of this.goneBy) {
			let r = Cd(t);
			n.total && (e[r] = Math.max(Number(n.total), e[r] ?? 0));
		}
		return e;
	}
	missing() {
		let e = Td(this.settled.total - this.came.total);
		if (this.first === null) return {
			missing: e,
			unexplained: 0n
		};
		let t = this.committed ?? 0n, n = this.came.last > t ? this.came.last : t, r = 0n;
		for (let e of this.settled.holes(this.first, n)) r += e.last - e.first + 1n;
		return {
			missing: e + r,
			unexplained: r
		};
	}
}, Ad = 4096, jd = 1024, Md = 320;
function Nd({ section: e }) {
	return e.samples.reduce((e, t) => e + t.length + Md, jd);
}
var Pd = class {
	bootId;
	room;
	routes = /* @__PURE__ */ new Map();
	trackers = /* @__PURE__ */ new Map();
	figures = /* @__PURE__ */ new Map();
	waitingBytes = 0;
	durableStreams = /* @__PURE__ */ new Set();
	waiting = [];
	restorers = /* @__PURE__ */ new Map();
	constructor(e, t) {
		this.bootId = e, this.room = t;
	}
	describe(e, t) {
		if (!this.routes.has(e) && this.routes.size >= Ad) {
			let e = this.routes.keys().next().value, t = this.trackers.get(e);
			t instanceof kd && t.release(), this.routes.delete(e), this.trackers.delete(e), this.restorers.delete(e);
		}
		this.routes.get(e)?.form !== t.form && this.restorers.delete(e), this.routes.set(e, t);
	}
	setDurable(e) {
		this.durableStreams = e;
		for (let t of [...this.trackers.keys()]) {
			let n = this.routes.get(t);
			n && e.has(n.stream) && this.durable(t);
		}
	}
	tracker(e) {
		let t = this.trackers.get(e);
		if (t) return t;
		if (this.durableStreams.has(this.routes.get(e).stream)) return this.durable(e);
		let n = new Od();
		return this.trackers.set(e, n), n;
	}
	durable(e) {
		let t = this.trackers.get(e) ?? null;
		if (t instanceof kd) return t;
		let n = new kd(this.room, t);
		return this.trackers.set(e, n), n;
	}
	restorer(e) {
		let { form: t } = this.routes.get(e);
		if (!t) return null;
		let n = this.restorers.get(e);
		return n || this.restorers.set(e, n = new yu(t)), n;
	}
	get size() {
		return Math.max(this.routes.size, this.trackers.size);
	}
	get full() {
		return this.size >= Ad;
	}
	get unfinished() {
		return [...this.trackers.values()].some((e) => e instanceof kd && !(e.closed && e.complete));
	}
	hear(e) {
		for (let t of e) (this.figures.has(t.route) || this.figures.size < Ad) && this.figures.set(t.route, t), this.trackers.get(t.route)?.hear(t.dropped);
	}
	wait(e) {
		this.waiting.push(e), this.waitingBytes += Nd(e);
	}
	get isWaiting() {
		return this.waiting.length > 0;
	}
	giveUpOldest() {
		let e = this.waiting.shift();
		return this.waitingBytes -= Nd(e), e.section.samples.length;
	}
	described() {
		if (!this.waiting.length) return [];
		let e = this.waiting.filter((e) => this.routes.has(e.section.route));
		return e.length && (this.waiting = this.waiting.filter((e) => !this.routes.has(e.section.route)), this.waitingBytes = this.waiting.reduce((e, t) => e + Nd(t), 0)), e;
	}
	forget() {
		for (let e of this.trackers.values()) e instanceof kd && e.release();
		return this.waiting.reduce((e, t) => e + t.section.samples.length, 0);
	}
	losses(e) {
		let t = [];
		for (let [n, r] of this.trackers) {
			let i = this.routes.get(n);
			if (!i) continue;
			let { missing: a, unexplained: o } = r.missing(), s = r instanceof kd ? r : null;
			t.push({
				robotId: e,
				bootId: this.bootId,
				route: n,
				stream: i.stream,
				topic: i.topic,
				received: r.received,
				duplicates: r.duplicates,
				reported: r.reported(),
				missing: Number(a),
				unexplained: Number(o),
				durable: s !== null,
				committed: s?.committed == null ? null : Number(s.committed),
				closed: s?.closed ?? !1,
				complete: s?.complete ?? !1,
				outstanding: Number(s?.outstanding ?? 0n)
			});
		}
		return t;
	}
}, Fd = 30, Id = 64, Ld = 3, Rd = 1e3, zd = 2e3, Bd = 2e4, Vd = class {
	consumer;
	kept = /* @__PURE__ */ new Map();
	earliestMs = -Infinity;
	constructor(e) {
		this.consumer = e;
	}
	states(e) {
		return [...this.kept].filter(([, e]) => e.seconds > 0).map(([t, { hz: n, granted: r, reason: i }]) => ({
			robotId: e,
			stream: t,
			hz: n,
			granted: r,
			reason: i
		}));
	}
	keep(e, t) {
		let n = this.kept.get(e)?.askedMs ?? null;
		this.kept.set(e, {
			hz: t,
			seconds: Fd,
			grantedS: Fd,
			dueMs: -Infinity,
			askedMs: n,
			inVain: 0,
			granted: null,
			reason: ""
		});
	}
	release(e) {
		let t = this.kept.get(e);
		t && (t.seconds = 0, t.dueMs = -Infinity);
	}
	again() {
		for (let e of this.kept.values()) e.dueMs = -Infinity, e.inVain = 0;
	}
	due(e, t) {
		let n = [];
		if (t < this.earliestMs) return n;
		for (let [r, i] of this.kept) i.dueMs > t || (i.seconds === 0 && (e || i.askedMs === null) ? this.kept.delete(r) : e || n.length === Id || (n.push({
			stream: r,
			hz: i.hz,
			seconds: i.seconds
		}), i.askedMs = t, i.dueMs = t + Hd(i), i.seconds === 0 && this.kept.delete(r)));
		return n.length && (this.earliestMs = t + Rd), n;
	}
	heard(e, t) {
		for (let [n, r] of this.kept) {
			if (r.askedMs === null) continue;
			let i = e.leases.find((e) => e.consumer === this.consumer && e.stream === n), a = e.grantsLeases ? e.refusedLeases[`${this.consumer}/${n}`] : "its bridge grants no leases";
			i ? (r.granted = !0, r.reason = "", r.inVain = 0, r.grantedS = Math.min(r.seconds, (t - r.askedMs) / 1e3 + (i.endsInS ?? 0)), r.dueMs = Math.min(r.dueMs, r.askedMs + Hd(r))) : a === void 0 ? r.granted !== !1 && (r.granted = null, r.dueMs = Math.min(r.dueMs, r.askedMs + zd * 2 ** r.inVain), r.inVain = Math.min(r.inVain + 1, 8)) : (r.granted = !1, r.reason = a);
		}
	}
	giveBack() {
		let e = [...this.kept].filter(([, e]) => e.askedMs !== null && e.granted !== !1).map(([e]) => ({
			stream: e,
			hz: 0,
			seconds: 0
		}));
		return this.kept.clear(), e.slice(0, Id);
	}
};
function Hd(e) {
	let t = Math.max(Rd, 1e3 * e.grantedS / Ld);
	return e.granted === !1 ? Math.min(t, Bd) : t;
}
// src/protocol/reassembly.ts
var Ud = 12e4, Wd = 64, Gd = 1024, Kd = 160, qd = 2 ** 32 - 1, Jd = class {
	quota;
	givenUp = 0;
	held = 0;
	partials = /* @__PURE__ */ new Map();
	finished = /* @__PURE__ */ new Set();
	constructor(e) {
		this.quota = e;
	}
	add({ fields: e, boot: t, number: n }, r) {
		let i = z(e[4], "an offset", 2 ** 53 - 1), a = z(e[5], "a length", ln), o = z(e[6], "a checksum", qd), s = L(e[7], "a fragment");
		if (!s.length || s.length >= a) throw new F(`fragment of ${s.length} bytes in a batch of ${a}`);
		this.expire(r);
		let c = `${t}/${n}`;
		if (this.finished.has(c)) return null;
		let l = this.partials.get(c) ?? {
			length: a,
			crc32: o,
			touchedMs: r,
			size: 0,
			parts: []
		};
		this.partials.delete(c), this.partials.set(c, l), l.touchedMs = r;
		try {
			if (a !== l.length || o !== l.crc32) throw new F("fragments of a batch disagree");
			if (i + s.length > a) throw new F("a fragment lies outside its batch");
			if (this.held -= Yd(l), Xd(l, i, s), this.held += Yd(l), l.parts.length > 65536) throw new F("a batch has too many fragments");
		} catch (e) {
			throw this.discard(t, n), e;
		}
		if (l.size === a) return this.complete(c, l);
		for (; this.held > this.quota || this.partials.size > Wd;) this.giveUp();
		return null;
	}
	discard(e, t) {
		this.forget(`${e}/${t}`);
	}
	complete(e, t) {
		this.forget(e);
		let n = new Uint8Array(t.length);
		for (let { start: e, data: r } of t.parts) n.set(r, e);
		if (tf(n) !== t.crc32) throw new F("checksum of a batch is wrong");
		return this.finished.add(e), this.finished.size > Gd && this.finished.delete(this.finished.values().next().value), n;
	}
	expire(e) {
		for (let t of this.partials.values()) {
			if (e - t.touchedMs <= Ud) return;
			this.giveUp();
		}
	}
	giveUp() {
		this.forget(this.partials.keys().next().value), this.givenUp += 1;
	}
	forget(e) {
		let t = this.partials.get(e);
		t && (this.held -= Yd(t), this.partials.delete(e));
	}
};
function Yd({ size: e, parts: t }) {
	return e + Kd * t.length;
}
function Xd(e, t, n) {
	let { parts: r } = e, i = t + n.length, a = Zd(r, t), o = a, s = [], c = t;
	for (; o < r.length && r[o].start < i; o++) {
		let e = r[o];
		$d(e, t, n), c < e.start && s.push(Qd(n, t, c, e.start)), s.push(e), c = e.end;
	}
	c < i && s.push(Qd(n, t, c, i));
	let l = r.slice(a, o).reduce((e, t) => e + t.data.length, 0);
	e.size += s.reduce((e, t) => e + t.data.length, 0) - l, r.splice(a, o - a, ...s);
}
function Zd(e, t) {
	let n = 0, r = e.length;
	for (; n < r;) {
		let i = n + r >> 1;
		e[i].end > t ? r = i : n = i + 1;
	}
	return n;
}
function Qd(e, t, n, r) {
	return {
		start: n,
		end: r,
		data: e.slice(n - t, r - t)
	};
}
function $d(e, t, n) {
	let r = Math.max(e.start, t), i = Math.min(e.end, t + n.length);
	for (let a = r; a < i; a++) if (e.data[a - e.start] !== n[a - t]) throw new F(`fragments differ at byte ${a}`);
}
var ef = Uint32Array.from({ length: 256 }, (e, t) => {
	let n = t;
	for (let e = 0; e < 8; e++) n = n & 1 ? n >>> 1 ^ 3988292384 : n >>> 1;
	return n;
});
function tf(e) {
	let t = 4294967295;
	for (let n of e) t = ef[(t ^ n) & 255] ^ t >>> 8;
	return ~t >>> 0;
}
// src/protocol/robot.ts
var nf = 64, rf = 8192, af = 1048576, of = 256, sf = class {
	robotId;
	quota;
	reassembler;
	dictionaries;
	leases;
	boots = /* @__PURE__ */ new Map();
	wantsRoutes = !1;
	heardMs = 0;
	info = null;
	state = null;
	health = null;
	documents = {};
	wanted = /* @__PURE__ */ new Set();
	asker = new ju();
	room = new md(af);
	givenUp = 0;
	constructor(e, t, n) {
		this.robotId = e, this.quota = t, this.reassembler = new Jd(t), this.dictionaries = new Ru(t), this.leases = new Vd(n);
	}
	boot(e) {
		let t = this.boots.get(e) ?? new Pd(e, this.room);
		for (this.boots.delete(e), this.boots.set(e, t); this.boots.size > 1 && (this.boots.size > nf || this.routesKnown() > rf);) {
			let e = [...this.boots.values()].slice(0, -1), t = e.find((e) => !e.unfinished) ?? e[0];
			this.boots.delete(t.bootId), this.givenUp += t.forget();
		}
		return t;
	}
	routesKnown() {
		let e = 0;
		for (let t of this.boots.values()) e += t.size;
		return e;
	}
	describe(e, t, n, r) {
		e.describe(t, n), n.schemaId && !r && (this.wanted.add(n.schemaId), this.wanted.size > of && this.wanted.delete(this.wanted.values().next().value));
	}
	boundWaiting() {
		this.wantsRoutes = !0;
		let e = 0;
		for (let t of this.boots.values()) e += t.waitingBytes;
		for (let t of this.boots.values()) for (; e > this.quota && t.isWaiting;) e -= t.waitingBytes, this.givenUp += t.giveUpOldest(), e += t.waitingBytes;
	}
	giveUp(e) {
		this.givenUp += e;
	}
	takeState(e) {
		let t = Zu(e);
		!t || this.state && !Qu(t, this.state) || (t.online && t.bootId !== this.state?.bootId && this.leases.again(), this.state = t, this.documents.state = e);
	}
	takeHealth(e, t) {
		let n = rd(e);
		this.health = n, this.documents.health = e, this.boot(n.bootId).hear(n.routes), this.leases.heard(n, t);
	}
	takeInfo(e) {
		return this.info = $u(e), this.documents.info = e, this.info;
	}
	get away() {
		return this.state?.online === !1;
	}
	reconnected() {
		this.asker.reconnected(), this.leases.again();
	}
	ask(e, t) {
		for (let t of [...this.wanted]) e(t) && this.wanted.delete(t);
		let n = this.leases.due(this.away, t), r = {
			info: this.info === null,
			routes: this.wantsRoutes,
			schemas: [...this.wanted],
			dictionaries: this.dictionaries.wanted
		}, i = this.away ? null : this.asker.due(r, t);
		return i || n.length ? {
			...i,
			leases: n
		} : null;
	}
	snapshot() {
		let e = this.boots.get(this.state?.bootId ?? this.health?.bootId ?? "");
		return {
			robotId: this.robotId,
			online: this.state?.online ?? null,
			state: this.state,
			info: this.info,
			health: this.health,
			documents: { ...this.documents },
			routes: e ? [...e.figures.values()] : [],
			heardMs: this.heardMs,
			givenUpSamples: this.givenUp,
			givenUpBatches: this.reassembler.givenUp + this.dictionaries.givenUp
		};
	}
}, cf = class {
	origin;
	data;
	sequence;
	sourceTimeNs;
	receiveTimeNs;
	restored = null;
	decoded = null;
	constructor(e, t, n, r, i) {
		this.origin = e, this.data = t, this.sequence = n, this.sourceTimeNs = r, this.receiveTimeNs = i;
	}
	get robotId() {
		return this.origin.robotId;
	}
	get bootId() {
		return this.origin.bootId;
	}
	get route() {
		return this.origin.route;
	}
	get stream() {
		return this.origin.descriptor.stream;
	}
	get topic() {
		return this.origin.descriptor.topic;
	}
	get typeName() {
		return this.origin.descriptor.typeName;
	}
	get schemaId() {
		return this.origin.descriptor.schemaId;
	}
	get form() {
		return this.origin.descriptor.form;
	}
	get sentTimeNs() {
		return this.origin.sentTimeNs;
	}
	get latched() {
		return this.origin.latched;
	}
	get historical() {
		return this.origin.historical;
	}
	get error() {
		let e = this.restore();
		return e instanceof F ? e.message : "";
	}
	get cdr() {
		let e = this.restore();
		if (e instanceof F) throw e;
		return e;
	}
	message() {
		return this.decoded ??= this.origin.schemas.decode(this.schemaId, this.typeName, this.cdr), this.decoded;
	}
	restore() {
		let { restorer: e } = this.origin;
		if (!e) return this.data;
		if (this.restored) return this.restored;
		try {
			this.restored = e.restore(this.data);
		} catch (e) {
			if (!(e instanceof F)) throw e;
			return e;
		}
		return this.restored;
	}
}, lf = 4096, uf = 32, df = 1 << 20, ff = /^RIHS01_[0-9a-f]{64}$/, pf = /^={80}\n/m, mf = /^[a-z][a-z0-9_]*\/msg\/[A-Za-z][A-Za-z0-9_]*$/, hf = /^[A-Za-z][\w/]*(?:<=\d+)?\s+\w+\s*=/, gf = /^([A-Za-z][\w/]*)(?:<=(\d+))?(?:\[(<=)?(\d*)\])?\s+([A-Za-z]\w*)(?:\s+\S.*)?$/, _f = "structure_needs_at_least_one_member", vf = {
	int8: 2,
	uint8: 3,
	char: 3,
	int16: 4,
	uint16: 5,
	int32: 6,
	uint32: 7,
	int64: 8,
	uint64: 9,
	float32: 10,
	float64: 11,
	bool: 15,
	byte: 16,
	string: 17,
	wstring: 18
}, yf = 4, bf = 1, xf = 48, Sf = 96, Cf = 144;
function wf(e) {
	let t = I(An(e), "a schema");
	if (t.length !== 6) throw new F("a schema has six fields");
	Mi(t[0]);
	let n = Mn(t[1], "a type"), r = Mn(t[3], "a hash");
	if (Mn(t[2], "an encoding") !== "ros2msg") throw new F("the encoding of a schema is not ros2msg");
	if (!ff.test(r)) throw new F("not a RIHS01 hash");
	let i = z(t[4], "the length of a schema", gn), a;
	try {
		a = new TextDecoder("utf-8", { fatal: !0 }).decode(wi(L(t[5], "a text"), i));
	} catch (e) {
		throw e instanceof F ? e : new F("schema text is not UTF-8");
	}
	let o = Tf(a, n);
	if (Af(o) !== r) throw new F(`schema of ${n} does not hash to its id`);
	return {
		id: r.slice(7, 23),
		definition: o,
		size: i + n.length
	};
}
function Tf(e, t) {
	let [n, ...r] = e.split(pf), i = /* @__PURE__ */ new Map([[Of(t), Ef(n, t)]]);
	for (let e of r) {
		let t = e.indexOf("\n") < 0 ? e.length : e.indexOf("\n"), n = e.slice(0, t);
		if (!n.startsWith("MSG: ")) throw new F("a further type in a schema begins with \"MSG: package/Name\"");
		let r = Df(n.slice(5).trim(), "");
		i.set(Of(r), Ef(e.slice(t + 1), r));
	}
	let a = {
		root: t,
		types: i
	};
	return kf(a), a;
}
function Ef(e, t) {
	let n = [];
	for (let r of e.split("\n")) {
		let e = r.split("#")[0].trim();
		if (!e || hf.test(e)) continue;
		let i = gf.exec(e);
		if (!i) throw new F(`not a line of a message definition: ${e.slice(0, 80)}`);
		let [, a, o, s, c, l] = i, u = c === void 0 ? "single" : c && !s ? "array" : "sequence";
		if (n.push({
			name: l,
			type: Object.hasOwn(vf, a) ? a : Df(a, t),
			shape: u,
			size: Number(c ?? 0),
			textBound: Number(o ?? 0)
		}), n.length > lf) throw new F("a definition with too many members");
	}
	return n;
}
function Df(e, t) {
	let n = e.split("/");
	return n.length === 1 ? `${t.split("/")[0]}/msg/${e}` : n.length === 2 ? `${n[0]}/msg/${n[1]}` : e;
}
function Of(e) {
	if (!mf.test(e)) throw new F(`not a message type: ${e.slice(0, 80)}`);
	return e;
}
function kf({ root: e, types: t }) {
	let n = 0;
	for (let e of t.values()) n += e.length;
	if (n > lf) throw new F(`${e} has more than ${lf} members`);
	let r = /* @__PURE__ */ new Set(), i = /* @__PURE__ */ new Set(), a = (e) => {
		if (i.has(e) || i.size > uf) throw new F(`${e} contains itself or is nested too deeply`);
		if (r.has(e)) return;
		let n = t.get(e);
		if (!n) throw new F(`no definition of ${e}`);
		i.add(e);
		for (let t of n) {
			if (t.shape === "array" && t.size > df) throw new F(`${e} has an array of ${t.size} elements`);
			Object.hasOwn(vf, t.type) || a(t.type);
		}
		i.delete(e), r.add(e);
	};
	a(e);
}
function Af({ root: e, types: t }) {
	let n = /* @__PURE__ */ new Set([e]);
	for (let e of n) for (let r of t.get(e)) Object.hasOwn(vf, r.type) || n.add(r.type);
	n.delete(e);
	let r = (e) => {
		let n = t.get(e), r = {
			name: _f,
			type: "uint8",
			shape: "single",
			size: 0,
			textBound: 0
		};
		return `{"type_name": "${e}", "fields": [${(n.length ? n : [r]).map(jf).join(", ")}]}`;
	}, i = [...n].sort().map(r).join(", "), a = `{"type_description": ${r(e)}, "referenced_type_descriptions": [${i}]}`;
	return `RIHS01_${H(to(new TextEncoder().encode(a)))}`;
}
function jf({ name: e, type: t, shape: n, size: r, textBound: i }) {
	let a = !Object.hasOwn(vf, t), o = a ? bf : vf[t] + (i ? yf : 0);
	return n === "array" && (o += xf), n === "sequence" && (o += r ? Sf : Cf), `{"name": "${e}", "type": {"type_id": ${o}, "capacity": ${r}, "string_capacity": ${i}, "nested_type_name": "${a ? t : ""}"}}`;
}
// src/protocol/cdr.ts
var Mf = new TextDecoder(), Nf = {
	bool: {
		size: 1,
		get: (e, t) => e.getUint8(t) !== 0,
		array: null
	},
	byte: {
		size: 1,
		get: (e, t) => e.getUint8(t),
		array: Uint8Array
	},
	char: {
		size: 1,
		get: (e, t) => e.getUint8(t),
		array: Uint8Array
	},
	uint8: {
		size: 1,
		get: (e, t) => e.getUint8(t),
		array: Uint8Array
	},
	int8: {
		size: 1,
		get: (e, t) => e.getInt8(t),
		array: Int8Array
	},
	uint16: {
		size: 2,
		get: (e, t, n) => e.getUint16(t, n),
		array: Uint16Array
	},
	int16: {
		size: 2,
		get: (e, t, n) => e.getInt16(t, n),
		array: Int16Array
	},
	uint32: {
		size: 4,
		get: (e, t, n) => e.getUint32(t, n),
		array: Uint32Array
	},
	int32: {
		size: 4,
		get: (e, t, n) => e.getInt32(t, n),
		array: Int32Array
	},
	uint64: {
		size: 8,
		get: (e, t, n) => e.getBigUint64(t, n),
		array: BigUint64Array
	},
	int64: {
		size: 8,
		get: (e, t, n) => e.getBigInt64(t, n),
		array: BigInt64Array
	},
	float32: {
		size: 4,
		get: (e, t, n) => e.getFloat32(t, n),
		array: Float32Array
	},
	float64: {
		size: 8,
		get: (e, t, n) => e.getFloat64(t, n),
		array: Float64Array
	}
}, Pf = class {
	cdr;
	view;
	little;
	position = 4;
	alignment;
	constructor(e) {
		if (this.cdr = e, e.length < 4) throw new F("a message without its encapsulation header");
		this.view = new DataView(e.buffer, e.byteOffset, e.length), this.little = Or(e), this.alignment = kr(e);
	}
	get left() {
		return this.cdr.length - this.position;
	}
	align(e) {
		let t = Math.min(e, this.alignment);
		this.position += (t - (this.position - 4) % t) % t;
	}
	pass(e) {
		if (e > this.left) throw new F("the message ends too early");
		return this.position += e, this.position - e;
	}
	count() {
		return this.align(4), this.view.getUint32(this.pass(4), this.little);
	}
}, Ff = class {
	read;
	constructor(e) {
		this.read = new If(e).message(e.root);
	}
	decode(e) {
		let t = new Pf(e), n = this.read(t);
		if (t.left > 3) throw new F(`${t.left} bytes follow the message`);
		return n;
	}
}, If = class {
	definition;
	made = /* @__PURE__ */ new Map();
	constructor(e) {
		this.definition = e;
	}
	message(e) {
		let t = this.made.get(e);
		if (t) return t;
		let n = this.definition.types.get(e).map((e) => ({
			name: e.name,
			read: this.member(e)
		})), r = (e) => {
			n.length || e.pass(1);
			let t = {};
			for (let r of n) t[r.name] = r.read(e);
			return t;
		};
		return this.made.set(e, r), r;
	}
	member(e) {
		let t = Nf[e.type];
		if (t) return e.shape === "single" ? Rf(t) : zf(t, Lf(e));
		let n = e.type === "string" ? Bf : e.type === "wstring" ? Vf : this.message(e.type);
		if (e.shape === "single") return n;
		let r = Lf(e);
		return (e) => {
			let t = r ?? e.count();
			if (t > e.left) throw new F("the message ends too early");
			let i = [];
			for (let r = 0; r < t; r++) i.push(n(e));
			return i;
		};
	}
};
function Lf(e) {
	return e.shape === "array" ? e.size : null;
}
function Rf({ size: e, get: t }) {
	return (n) => (n.align(e), t(n.view, n.pass(e), n.little));
}
function zf({ size: e, get: t, array: n }, r) {
	return (i) => {
		let a = r ?? i.count();
		a && i.align(e);
		let o = i.pass(a * e);
		if (n === Uint8Array) return i.cdr.subarray(o, o + a);
		if (!n) return Array.from({ length: a }, (e, n) => t(i.view, o + n, !0));
		let s = new n(i.cdr.slice(o, o + a * e).buffer);
		if (!i.little) for (let n = 0; n < a; n++) s[n] = t(i.view, o + n * e, !1);
		return s;
	};
}
function Bf(e) {
	let t = e.count(), n = e.pass(t), r = t && e.cdr[n + t - 1] === 0 ? n + t - 1 : n + t;
	return Mf.decode(e.cdr.subarray(n, r));
}
function Vf(e) {
	let t = e.count(), n = e.pass(2 * t), r = "";
	for (let i = 0; i < t; i++) r += String.fromCharCode(e.view.getUint16(n + 2 * i, e.little));
	return r;
}
// src/protocol/schemas.ts
var Hf = 4194304, Uf = class {
	known = /* @__PURE__ */ new Map();
	size = 0;
	has(e) {
		return this.known.has(e);
	}
	add({ id: e, definition: t, size: n }) {
		if (!this.known.has(e)) {
			this.known.set(e, {
				root: t.root,
				reader: new Ff(t),
				size: n
			}), this.size += n;
			for (let [e, t] of this.known) {
				if (this.size <= Hf) break;
				this.known.delete(e), this.size -= t.size;
			}
		}
	}
	decode(e, t, n) {
		let r = this.known.get(e);
		if (!r) throw new sn(`no definition of ${t} has come yet`);
		if (r.root !== t) throw new F(`schema ${e} is not that of ${t}`);
		return r.reader.decode(n);
	}
}, Wf = 134217728, Gf = 4096, Kf = 10, qf = [
	"state",
	"info",
	"health",
	"schema/+",
	"dict/+",
	"b/+",
	"latched/#"
], Jf = class {
	root;
	consumer;
	quota;
	maxRobots;
	schemas = new Uf();
	memories = /* @__PURE__ */ new Map();
	constructor(e = {}) {
		this.root = e.root ?? "rcb/v1", this.consumer = e.consumer ?? `web-${Math.random().toString(36).slice(2, 10)}`, this.quota = e.quota ?? Wf, this.maxRobots = e.maxRobots ?? Gf;
	}
	filters(e = "+") {
		return qf.map((t) => `${this.root}/${e}/${t}`);
	}
	feed(e, t, n = performance.now()) {
		let r = Lc(e, this.root);
		if (!r || !t.length) return [];
		if (t.length > 16777216) throw new F(`payload of ${t.length} bytes is over the limit`);
		let { robotId: i, kind: a, rest: o } = r;
		switch (a) {
			case "b":
			case "latched": return this.feedBatch(i, a, a === "b" && o.length === 1 && o[0] === "backlog", t, n);
			case "schema": {
				let e = wf(t);
				if (o.length !== 1 || o[0] !== e.id) throw new F("a schema stands under another id than its own");
				return this.schemas.add(e), [];
			}
			case "dict": return this.feedDictionary(i, t, n);
			case "state":
			case "info":
			case "health": return this.feedDocument(i, a, t, n);
			default: return [];
		}
	}
	robots() {
		return [...this.memories.values()].map((e) => e.snapshot());
	}
	robot(e) {
		return this.memories.get(e)?.snapshot() ?? null;
	}
	losses(e) {
		return (e === void 0 ? [...this.memories.values()] : [this.memories.get(e)]).flatMap((e) => [...e?.boots.values() ?? []].flatMap((t) => t.losses(e.robotId)));
	}
	takeAsks(e = performance.now()) {
		let t = [];
		for (let n of this.memories.values()) {
			let r = n.ask((e) => this.schemas.has(e), e);
			r && t.push(this.outgoing(n.robotId, r));
		}
		return t;
	}
	reconnected() {
		for (let e of this.memories.values()) e.reconnected();
	}
	lease(e, t, n) {
		this.memory(e).leases.keep(t, n ?? 0);
	}
	release(e, t) {
		this.memories.get(e)?.leases.release(t);
	}
	leases() {
		return [...this.memories.values()].flatMap((e) => e.leases.states(e.robotId));
	}
	farewell() {
		return [...this.memories.values()].flatMap((e) => {
			let t = e.leases.giveBack();
			return t.length ? [this.outgoing(e.robotId, { leases: t })] : [];
		});
	}
	outgoing(e, t) {
		return {
			robotId: e,
			topic: `${this.root}/${e}/ask/${this.consumer}`,
			payload: Au(t),
			expiryS: Kf
		};
	}
	memory(e) {
		let t = this.memories.get(e);
		if (!t) {
			if (this.memories.size >= this.maxRobots) throw new F(`more than ${this.maxRobots} robots`);
			this.memories.set(e, t = new sf(e, this.quota, this.consumer));
		}
		return t;
	}
	heard(e, t) {
		let n = this.memory(e);
		return n.heardMs = t, n;
	}
	feedBatch(e, t, n, r, i) {
		let a = Pi(r), o = this.heard(e, i);
		if (a.kind === Ei.Abandoned) return o.reassembler.discard(a.boot, a.number), [];
		if (a.kind !== Ei.Fragment) return this.feedWhole(o, {
			kind: t,
			historical: n,
			message: a
		});
		let s = o.reassembler.add(a, i);
		if (!s) return [];
		let c = Pi(s);
		if (c.kind !== Ei.Batch && c.kind !== Ei.Account || c.boot !== a.boot || c.number !== a.number) throw new F("fragments hold something else than their batch");
		return this.feedWhole(o, {
			kind: t,
			historical: n,
			message: c
		});
	}
	feedWhole(e, t) {
		let { message: n, historical: r } = t;
		if (n.kind === Ei.Account) {
			if (!r) throw new F("accounts stand on b/backlog alone");
			return this.feedAccount(e, n);
		}
		let i = Fi(n), a = i ? e.dictionaries.use(i) : void 0;
		if (a === null) return e.dictionaries.hold(i, t), [];
		let { sentNs: o, sections: s } = Ii(n, a), c = e.boot(n.boot), l = [];
		for (let n of s) {
			n.descriptor && (this.describe(e, c, n.route, n.descriptor), this.handOnDescribed(e, c, l));
			let i = {
				section: n,
				sentNs: o,
				latched: t.kind === "latched",
				historical: r
			};
			c.routes.has(n.route) ? this.handOn(e, c, i, l) : (c.wait(i), e.boundWaiting());
		}
		return l;
	}
	feedDictionary(e, t, n) {
		let r = Lu(t), i = this.heard(e, n), a = [], o = this.quota, s = null;
		for (let e of i.dictionaries.add(r)) if (o < 0) i.dictionaries.givenUp += 1;
		else try {
			for (let t of this.feedWhole(i, e)) o -= t.data.length, a.push(t);
		} catch (e) {
			if (!(e instanceof F)) throw e;
			s = e;
		}
		if (s && !a.length) throw s;
		return a;
	}
	feedAccount(e, t) {
		let n = Su(t), r = e.boot(t.boot), i = [];
		for (let { route: t, descriptor: a, committed: o, closed: s, gaps: c } of n) {
			if (a) this.describe(e, r, t, a), this.handOnDescribed(e, r, i);
			else if (!r.routes.has(t) && (e.wantsRoutes = !0, r.full && !r.trackers.has(t))) continue;
			r.durable(t).tell(o, s, c);
		}
		return i;
	}
	feedDocument(e, t, n, r) {
		let i = Xu(n), a = this.heard(e, r), o = [];
		if (t === "state" && a.takeState(i), t === "health" && a.takeHealth(i, r), t !== "info") return o;
		let s = a.takeInfo(i), c = a.boot(s.bootId);
		for (let e of s.routes) this.describe(a, c, e.route, e);
		return c.setDurable(new Set(s.streams.filter((e) => e.keep === "durable").map((e) => e.name))), this.handOnDescribed(a, c, o), o;
	}
	describe(e, t, n, r) {
		e.describe(t, n, r, this.schemas.has(r.schemaId));
	}
	handOnDescribed(e, t, n) {
		for (let r of t.described()) this.handOn(e, t, r, n);
		t.isWaiting || (e.wantsRoutes = !1);
	}
	handOn(e, t, n, r) {
		let { section: i, latched: a, historical: o, sentNs: s } = n, { route: c } = i, l = (o ? t.durable(c) : t.tracker(c)).take(i.sequences, i.totals, a), u = {
			robotId: e.robotId,
			bootId: t.bootId,
			route: c,
			descriptor: t.routes.get(c),
			sentTimeNs: s,
			latched: a,
			historical: o,
			restorer: t.restorer(c),
			schemas: this.schemas
		};
		i.samples.forEach((e, t) => {
			u.restorer?.note(e), l[t] && r.push(new cf(u, e, i.sequences[t], i.sourceNs[t], i.receiveNs[t]));
		});
	}
};
export { _c as BadSignature, Jf as Decoder, Dc as Drive, sl as Operator, Oc as OperatorKey, F as ProtocolError, yu as RouteRestorer, vu as UnknownForm, sn as UnknownSchema, Gc as decodeAnswer, uc as fingerprint, Ic as forgetKey, xc as openSigned, Fc as storeKey, Pc as storedKey };
