using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Natalia.Backup.Engine.Format;

/// <summary>A SHA-256 value.</summary>
internal readonly record struct Hash256(ulong A, ulong B, ulong C, ulong D)
{
    internal const int Size = 32;

    internal static Hash256 Of(ReadOnlySpan<byte> bytes)
    {
        Span<byte> hash = stackalloc byte[Size];
        Compute(bytes, hash);
        return Read(hash);
    }

    internal static void Compute(ReadOnlySpan<byte> bytes, Span<byte> hash)
    {
#if NET8_0_OR_GREATER
        SHA256.HashData(bytes, hash);
#else
        using var sha = SHA256.Create();
        byte[] rented = System.Buffers.ArrayPool<byte>.Shared.Rent(bytes.Length);
        try
        {
            bytes.CopyTo(rented);
            sha.ComputeHash(rented, 0, bytes.Length).CopyTo(hash);
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(rented);
        }
#endif
    }

    internal static Hash256 Read(ReadOnlySpan<byte> bytes) => new(
        BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes.Slice(8)),
        BinaryPrimitives.ReadUInt64BigEndian(bytes.Slice(16)), BinaryPrimitives.ReadUInt64BigEndian(bytes.Slice(24)));

    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, A);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(8), B);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(16), C);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(24), D);
    }

    internal static bool TryParse(string? text, out Hash256 hash)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool parsed = Hex.TryParse(text, bytes);
        hash = parsed ? Read(bytes) : default;
        return parsed;
    }

    public override string ToString()
    {
        Span<byte> bytes = stackalloc byte[Size];
        Write(bytes);
        return Hex.ToString(bytes);
    }
}
