namespace Natalia.Backup.Engine.Format;

/// <summary>
/// How large objects of each kind may be. Far above what any writer makes and far below what fills a memory: whoever
/// can write into a repository can put a file of a terabyte under any name. docs/format.md §12.
/// </summary>
internal static class ObjectLimits
{
    private const long KiB = 1L << 10, MiB = 1L << 20;

    /// <summary>Packs are made of at most 32 MiB, and their envelope of less than one.</summary>
    internal const long Pack = 64 * MiB;

    /// <summary>Header and table of a pack: 2^20 lines of 16 bytes.</summary>
    internal const int PackPrefix = 17 << 20;

    private const long Small = 64 * KiB, Manifest = 20 * MiB, Record = 65 * MiB, Other = 256 * MiB;

    /// <summary>The ceiling for an object, in bytes, by its name.</summary>
    internal static long For(string name)
    {
        if (name == Layout.Settings || name.StartsWith(Layout.Keys, StringComparison.Ordinal)) return Small;
        if (name.StartsWith(Layout.RepositoryLog, StringComparison.Ordinal)) return Record;
        if (!name.StartsWith(Layout.Appliances, StringComparison.Ordinal)) return Other;
        int room = name.IndexOf('/', Layout.Appliances.Length) + 1, end = name.IndexOf('/', Math.Max(room, 1));
        return (room > 0 && end > 0 ? name.Substring(room, end - room) : "") switch
        {
            "data" or "meta" => Pack,
            "points" => Manifest,
            "log" => Record,
            "leases" or "readers" => Small,
            _ => Other,
        };
    }

    /// <summary>Refuses an object that is too large.</summary>
    /// <exception cref="FormatException">It is.</exception>
    internal static void Require(string name, long length)
    {
        if (length > For(name))
            throw new FormatException(
                $"It has {length} bytes, and an object of its kind has at most {For(name)}. It was not read.");
    }
}
