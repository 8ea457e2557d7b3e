/* SPDX-License-Identifier: BSD-2-Clause */
/* opcodes: the instructions of the register machine. Eight bytes each: op, a (8 bit), b (16 bit),
 * c (32 bit). Registers hold one value of the script; r0… belong to the route that runs.
 *
 * The second column says what a, b and c are, for verifier and disassembler:
 *   w written register   r register   . unused
 *   i number   k constant   v variable   p pattern   f call site   t route   j jump target
 *   q core keyword   n network */
#pragma once

#include <stdint.h>

#define OPCODES(X) \
	X(LOAD_INT, "w.i", "a = the number c") \
	X(LOAD_CONST, "w.k", "a = constant c") \
	X(LOAD_VAR, "w.v", "a = value of variable c") \
	X(LOAD_KEYWORD, "w.q", "a = value of the core keyword c") \
	X(STORE, ".rv", "variable c = b; a failed value leaves it alone") \
	X(ADD, "wrr", "a = b + c: sum or joined text, as the left one's type says") \
	X(SUB, "wrr", "a = b - c; all arithmetic wraps at 32 bits") \
	X(MUL, "wrr", "a = b * c") \
	X(DIV, "wrr", "a = b / c; by zero: a becomes the failed value") \
	X(MOD, "wrr", "a = b mod c") \
	X(SHL, "wrr", "a = b << c") \
	X(SHR, "wrr", "a = b >> c") \
	X(BIT_AND, "wrr", "a = b & c") \
	X(BIT_OR, "wrr", "a = b | c") \
	X(BIT_XOR, "wrr", "a = b ^ c") \
	X(EQ, "wrr", "a = 1 when b equals c, which is converted to the type of b") \
	X(NE, "wrr", "a = 1 when b differs from c") \
	X(LT, "wrr", "a = 1 when b < c as numbers") \
	X(GT, "wrr", "a = 1 when b > c as numbers") \
	X(LE, "wrr", "a = 1 when b <= c as numbers") \
	X(GE, "wrr", "a = 1 when b >= c as numbers") \
	X(TEXT_EQ, "wrr", "a = 1 when b and c are equal as texts") \
	X(TEXT_NE, "wrr", "a = 1 when b and c differ as texts") \
	X(INT_EQ, "wrr", "a = 1 when b and c are equal as numbers") \
	X(INT_NE, "wrr", "a = 1 when b and c differ as numbers") \
	X(MATCH, "wrp", "a = 1 when b as text matches pattern c") \
	X(MATCH_TEXT, "wrr", "a = 1 when b matches the regular expression in c") \
	X(NOT, "wr.", "a = 1 when b is 0") \
	X(BIT_NOT, "wr.", "a = ~b") \
	X(NEGATE, "wr.", "a = -b") \
	X(TO_INT, "wr.", "a = b as a number") \
	X(TO_TEXT, "wr.", "a = b as a text") \
	X(DEFINED, "wr.", "a = 1 when b is not null") \
	X(IS_NULL, "wr.", "a = 1 when b is null") \
	X(STRLEN, "wr.", "a = length of b as text") \
	X(STREMPTY, "wr.", "a = 1 when b as text is empty") \
	X(IS_FILLED, "wr.", "a = 1 unless b is an empty text, null or the number 0") \
	X(TRUTH, "wr.", "a = 1 when b is a number above 0, else 0") \
	X(IS_MYSELF, "w.q", "a = 1 when the keyword c names this server") \
	X(IN_NETWORK, "wqn", "a = 1 when the address keyword b lies in network c") \
	X(IN_NETWORK_TEXT, "wqr", "the same; c is a text: address, network or host name") \
	X(JUMP, "..j", "go on at c") \
	X(JUMP_TRUE, ".rj", "go on at c when b is above 0") \
	X(JUMP_FALSE, ".rj", "go on at c unless b is above 0") \
	X(JUMP_ZERO, ".rj", "go on at c when b is 0") \
	X(JUMP_NONZERO, ".rj", "go on at c when b is not 0") \
	X(LOOP, "w.j", "count a round in a; after max_while_loops rounds go on at c") \
	X(CALL, "wrf", "a = result of call site c; computed arguments begin at b; 0 ends the script") \
	X(CALL_ROUTE, "w.t", "a = result of route c") \
	X(CALL_ROUTE_TEXT, "wr.", "a = result of the route that b names") \
	X(RETURN, ".r.", "leave the route with b; 0 ends the script") \
	X(RETURN_INT, "..i", "leave the route with the number c; 0 ends the script") \
	X(LEAVE, "..i", "leave the route with the number c; the script goes on also with 0") \
	X(EXIT, "...", "end the script") \
	X(DROP, "...", "end the script and drop the message")

enum opcode {
#define X(name, operands, text) OP_##name,
	OPCODES(X)
#undef X
		OPCODE_COUNT,
};

struct instruction {
	uint8_t op;
	uint8_t a;
	uint16_t b;
	int32_t c;
};
_Static_assert(sizeof(struct instruction) == 8, "instructions are eight bytes");
