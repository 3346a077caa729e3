namespace Natalia.Backup.Engine.Storage;

/// <summary>The bytes of one object in several pieces, so that nobody has to copy them together.</summary>
public sealed class ObjectContent
{
    /// <summary>Wraps pieces. Their memory must stay unchanged until the put has returned.</summary>
    /// <param name="parts">The pieces in order; empty ones are allowed.</param>
    public ObjectContent(params ReadOnlyMemory<byte>[] parts)
    {
        Parts = parts;
        foreach (ReadOnlyMemory<byte> part in parts) Length += part.Length;
    }

    /// <summary>The pieces in order.</summary>
    public IReadOnlyList<ReadOnlyMemory<byte>> Parts { get; }

    /// <summary>How many bytes they hold together.</summary>
    public long Length { get; }

    /// <summary>Copies the pieces into one array. For small objects.</summary>
    public byte[] ToArray()
    {
        var all = new byte[checked((int)Length)];
        int at = 0;
        foreach (ReadOnlyMemory<byte> part in Parts)
        {
            part.CopyTo(all.AsMemory(at));
            at += part.Length;
        }
        return all;
    }
}
