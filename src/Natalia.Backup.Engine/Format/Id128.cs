using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Natalia.Backup.Engine.Format;

/// <summary>
/// A random 128-bit id: of a repository, an object, a run. Written as 32 lowercase hexadecimal digits.
/// </summary>
internal readonly record struct Id128(ulong High, ulong Low) : IComparable<Id128>
{
    internal const int Size = 16;

    internal static Id128 NewRandom()
    {
        var bytes = new byte[Size];
        using (var random = RandomNumberGenerator.Create()) random.GetBytes(bytes);
        return Read(bytes);
    }

    internal static Id128 Read(ReadOnlySpan<byte> bytes) =>
        new(BinaryPrimitives.ReadUInt64BigEndian(bytes), BinaryPrimitives.ReadUInt64BigEndian(bytes.Slice(8)));

    internal void Write(Span<byte> bytes)
    {
        BinaryPrimitives.WriteUInt64BigEndian(bytes, High);
        BinaryPrimitives.WriteUInt64BigEndian(bytes.Slice(8), Low);
    }

    internal byte[] ToArray()
    {
        var bytes = new byte[Size];
        Write(bytes);
        return bytes;
    }

    internal static bool TryParse(string? text, out Id128 id)
    {
        Span<byte> bytes = stackalloc byte[Size];
        bool parsed = Hex.TryParse(text, bytes);
        id = parsed ? Read(bytes) : default;
        return parsed;
    }

    public int CompareTo(Id128 other) => High != other.High ? High.CompareTo(other.High) : Low.CompareTo(other.Low);

    public override string ToString() => Hex.ToString(ToArray());
}
