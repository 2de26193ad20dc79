"""The catalog's tables. `footwork.catalog` says what each is for.

The n-th script takes a catalog from version n - 1 to n. A released one is never edited: a change
is a new script at the end. No semicolon but at the end of a statement.
"""

MIGRATIONS = (
    """
    CREATE TABLE image (
        sha256 TEXT PRIMARY KEY CHECK (length(sha256) = 64 AND sha256 NOT GLOB '*[^0-9a-f]*'),
        size INTEGER NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        stored INTEGER NOT NULL CHECK (stored IN (0, 1)),
        added_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE file (
        path TEXT PRIMARY KEY,
        sha256 TEXT NOT NULL REFERENCES image,
        size INTEGER NOT NULL,
        mtime_ns INTEGER NOT NULL,
        ctime_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX file_sha256 ON file (sha256);
    CREATE TABLE provenance (
        id INTEGER PRIMARY KEY,
        sha256 TEXT NOT NULL REFERENCES image,
        kind TEXT NOT NULL,
        origin TEXT NOT NULL,
        source TEXT NOT NULL,
        page_url TEXT,
        query TEXT,
        language TEXT,
        title TEXT,
        author TEXT,
        licence TEXT,
        licence_url TEXT,
        found_at TEXT NOT NULL,
        UNIQUE (sha256, kind, origin)
    ) STRICT;
    CREATE INDEX provenance_origin ON provenance (origin);
    CREATE TABLE decision (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        who TEXT NOT NULL,
        verb TEXT NOT NULL,
        sha256 TEXT REFERENCES image,
        detail TEXT NOT NULL,
        undone_at TEXT
    ) STRICT;
    CREATE TABLE label (
        id INTEGER PRIMARY KEY,
        sha256 TEXT NOT NULL REFERENCES image,
        class TEXT NOT NULL,
        who TEXT NOT NULL,
        origin TEXT NOT NULL,
        why TEXT NOT NULL,
        at TEXT NOT NULL,
        decision INTEGER REFERENCES decision,
        withdrawn_at TEXT
    ) STRICT;
    CREATE INDEX label_sha256 ON label (sha256, who, origin);
    CREATE INDEX label_who ON label (who);
    CREATE TABLE fold_group (
        sha256 TEXT NOT NULL REFERENCES image,
        who TEXT NOT NULL,
        origin TEXT NOT NULL,
        name TEXT NOT NULL,
        PRIMARY KEY (sha256, who, origin, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE given_split (
        sha256 TEXT NOT NULL REFERENCES image,
        who TEXT NOT NULL,
        origin TEXT NOT NULL,
        split TEXT NOT NULL CHECK (split IN ('train', 'val', 'test', 'external')),
        PRIMARY KEY (sha256, who, origin, split)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE rejection (
        origin TEXT PRIMARY KEY,
        sha256 TEXT,
        reason TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE cleaned (
        sha256 TEXT PRIMARY KEY REFERENCES image,
        version TEXT NOT NULL,
        size INTEGER,
        reason TEXT,
        at TEXT NOT NULL,
        CHECK ((size IS NULL) <> (reason IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE quality (
        sha256 TEXT PRIMARY KEY REFERENCES image,
        version TEXT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        sharpness REAL NOT NULL,
        luminance REAL NOT NULL,
        low REAL NOT NULL,
        high REAL NOT NULL,
        dark REAL NOT NULL,
        bright REAL NOT NULL,
        entropy REAL NOT NULL,
        one_colour REAL NOT NULL,
        border REAL NOT NULL,
        few_colours REAL NOT NULL,
        seam REAL NOT NULL,
        glyphs INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE quality_flag (
        sha256 TEXT NOT NULL REFERENCES image,
        flag TEXT NOT NULL,
        score REAL NOT NULL CHECK (score BETWEEN 0.5 AND 1),
        PRIMARY KEY (sha256, flag)
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE hash (
        sha256 TEXT NOT NULL REFERENCES image,
        kind TEXT NOT NULL,
        version TEXT NOT NULL,
        code BLOB NOT NULL,
        firm_bits INTEGER NOT NULL,
        PRIMARY KEY (sha256, kind)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE copy (
        sha256 TEXT PRIMARY KEY REFERENCES image,
        best TEXT NOT NULL REFERENCES image,
        bits INTEGER NOT NULL,
        radius INTEGER NOT NULL,
        why TEXT NOT NULL,
        at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    """
    CREATE TABLE collection (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        asked TEXT NOT NULL,
        started_at TEXT NOT NULL,
        finished_at TEXT
    ) STRICT;
    CREATE TABLE search (
        collection INTEGER NOT NULL REFERENCES collection,
        source TEXT NOT NULL,
        class TEXT NOT NULL,
        language TEXT NOT NULL,
        words TEXT NOT NULL,
        hits INTEGER NOT NULL,
        trouble TEXT,
        reason TEXT,
        at TEXT NOT NULL,
        PRIMARY KEY (collection, source, class, language, words)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE answer (
        collection INTEGER NOT NULL REFERENCES collection,
        request TEXT NOT NULL,
        body BLOB NOT NULL,
        PRIMARY KEY (collection, request)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE hit (
        id INTEGER PRIMARY KEY,
        source TEXT NOT NULL,
        class TEXT NOT NULL,
        language TEXT NOT NULL,
        words TEXT NOT NULL,
        image_url TEXT NOT NULL,
        page_url TEXT,
        title TEXT,
        author TEXT,
        licence TEXT,
        licence_url TEXT,
        width INTEGER,
        height INTEGER,
        size INTEGER,
        fold_group TEXT,
        left_out TEXT,
        first INTEGER NOT NULL REFERENCES collection,
        last INTEGER NOT NULL REFERENCES collection,
        at TEXT NOT NULL,
        UNIQUE (image_url, source, class, language, words)
    ) STRICT;
    CREATE INDEX hit_last ON hit (last);
    CREATE TABLE fetch (
        image_url TEXT PRIMARY KEY,
        collection INTEGER NOT NULL REFERENCES collection,
        sha256 TEXT REFERENCES image,
        reason TEXT,
        passing INTEGER NOT NULL CHECK (passing IN (0, 1)),
        etag TEXT,
        last_modified TEXT,
        at TEXT NOT NULL,
        CHECK ((sha256 IS NULL) <> (reason IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX fetch_sha256 ON fetch (sha256);
    CREATE TABLE tombstone (
        kind TEXT NOT NULL CHECK (kind IN ('hash', 'url', 'author', 'look')),
        value TEXT NOT NULL,
        decision INTEGER NOT NULL REFERENCES decision,
        PRIMARY KEY (kind, value)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE provenance_wider (
        id INTEGER PRIMARY KEY,
        sha256 TEXT NOT NULL REFERENCES image,
        kind TEXT NOT NULL,
        origin TEXT NOT NULL,
        source TEXT NOT NULL,
        page_url TEXT,
        query TEXT,
        language TEXT,
        title TEXT,
        author TEXT,
        licence TEXT,
        licence_url TEXT,
        found_at TEXT NOT NULL
    ) STRICT;
    INSERT INTO provenance_wider SELECT id, sha256, kind, origin, source, page_url, query, language,
        title, author, licence, licence_url, found_at FROM provenance;
    DROP TABLE provenance;
    ALTER TABLE provenance_wider RENAME TO provenance;
    CREATE INDEX provenance_origin ON provenance (origin);
    CREATE UNIQUE INDEX provenance_place ON provenance (
        sha256, kind, origin, CASE kind WHEN 'import' THEN '' ELSE source END,
        ifnull(query, ''), ifnull(language, '')
    )
    """,
    """
    CREATE TABLE pair (
        first TEXT NOT NULL REFERENCES image,
        second TEXT NOT NULL REFERENCES image,
        bits INTEGER,
        cosine REAL,
        evidence TEXT NOT NULL,
        at TEXT NOT NULL,
        PRIMARY KEY (first, second),
        CHECK (first < second)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO pair
        SELECT min(sha256, best), max(sha256, best), bits, NULL, 'hash', at FROM copy;
    DROP TABLE copy;
    CREATE TABLE copy (
        sha256 TEXT NOT NULL REFERENCES image,
        decision INTEGER NOT NULL REFERENCES decision,
        best TEXT NOT NULL REFERENCES image,
        bits INTEGER,
        cosine REAL,
        evidence TEXT NOT NULL,
        why TEXT NOT NULL,
        PRIMARY KEY (decision, sha256)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX copy_sha256 ON copy (sha256)
    """,
    """
    CREATE TABLE variant (
        photos TEXT NOT NULL,
        variant TEXT NOT NULL,
        first_tried_at TEXT NOT NULL,
        PRIMARY KEY (photos, variant)
    ) STRICT, WITHOUT ROWID
    """,
)
