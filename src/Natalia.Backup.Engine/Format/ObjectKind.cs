namespace Natalia.Backup.Engine.Format;

/// <summary>What an object holds; the byte at offset 10 of every envelope. Numbers are part of the format.</summary>
internal enum ObjectKind : byte
{
    KeySlot = 1,
    DataPack = 2,
    MetaPack = 3,
    Delta = 4,
    Manifest = 5,
    AuditRecord = 6,
    Lease = 7,
    Catalog = 8,
}

/// <summary>How the segments of an object are sealed; the byte at offset 11. Numbers are part of the format.</summary>
internal enum Cipher : byte
{
    None = 0,
    Aes256Gcm = 1,
}

/// <summary>How a segment is compressed before it is sealed. Numbers are part of the format.</summary>
internal enum Codec : byte
{
    Stored = 0,
    Zstd = 1,
}
