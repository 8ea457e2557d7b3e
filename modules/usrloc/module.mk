# The store and the journal without the module around them.
$(O)/test/unit/modules/usrloc_test $(O)/test/unit/modules/usrloc_journal_test: \
	$(patsubst %,$(O)/modules/usrloc/%.o,agents binding domain location report restore \
	journal journal_format journal_map journal_restore journal_snapshot)
