/* SPDX-License-Identifier: BSD-2-Clause */
/* Temporary GRUUs (RFC 5627 3.2, 5.4): the user part is one block of AES over the hash by which the
 * binding is found, a check of its ruid and the version that the binding had when the GRUU was
 * given. So every REGISTER yields a new one, two of them cannot be told to be of the same user,
 * nothing is stored, and all of them end when the binding does or another Call-ID refreshes it. The
 * key is drawn at every start. */
#include <openssl/evp.h>

#include "modules/registrar/registrar.h"

#define PREFIX "tgruu."
#define BLOCK  16

struct token {
	uint64_t hash;
	uint32_t ruid;
	uint32_t version;
};
_Static_assert(sizeof(struct token) == BLOCK, "a token is one block of AES");

static uint64_t key[2];

void gruu_prepare(void)
{
	key[0] = random_uint64();
	key[1] = random_uint64();
}

static bool crypt_block(const void *in, void *out, int encrypt)
{
	int len = 0;
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	bool is_done = context &&
		       EVP_CipherInit_ex(context, EVP_aes_128_ecb(), NULL,
					 (const unsigned char *)key, NULL, encrypt) &&
		       EVP_CIPHER_CTX_set_padding(context, 0) &&
		       EVP_CipherUpdate(context, out, &len, in, BLOCK) && len == BLOCK;
	EVP_CIPHER_CTX_free(context);
	return is_done;
}

static uint32_t ruid_check(struct span ruid)
{
	return (uint32_t)hash_span(ruid);
}

bool gruu_write_temporary(struct writer *w, const struct usrloc_contact *contact)
{
	struct token token = { contact->hash, ruid_check(contact->ruid), contact->version };
	unsigned char block[BLOCK];
	if (!crypt_block(&token, block, 1))
		return false;
	writer_literal(w, PREFIX);
	for (unsigned i = 0; i < BLOCK; i++)
		writer_hex(w, block[i], 2);
	return true;
}

bool gruu_find_temporary(struct script_run *run, unsigned domain, struct span user,
			 struct usrloc_contact *out)
{
	unsigned char block[BLOCK];
	struct token token;
	struct usrloc_contact *contacts;
	if (user.len != sizeof(PREFIX) - 1 + BLOCK * 2 ||
	    !span_starts_with_nocase(user, SPAN_OF(PREFIX)))
		return false;
	for (unsigned i = 0; i < BLOCK; i++) {
		const char *digits = user.at + sizeof(PREFIX) - 1 + i * 2;
		int high = ascii_hex_value(digits[0]), low = ascii_hex_value(digits[1]);
		if (high < 0 || low < 0)
			return false;
		block[i] = (unsigned char)(high << 4 | low);
	}
	if (!crypt_block(block, &token, 0))
		return false;
	unsigned count = usrloc()->get_hash(domain, token.hash, run->arena, &contacts);
	for (unsigned i = 0; i < count; i++)
		if (ruid_check(contacts[i].ruid) == token.ruid &&
		    token.version >= contacts[i].call_since &&
		    token.version <= contacts[i].version) {
			*out = contacts[i];
			return true;
		}
	return false;
}
