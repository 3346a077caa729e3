namespace Natalia.Backup.Engine.Storage;

/// <summary>
/// What was asked of a store so far: requests by kind, and bytes. On a bucket these are what is paid for.
/// </summary>
public sealed record StoreUsage
{
    /// <summary>Objects written, each with its length in one or more requests.</summary>
    public long Puts { get; init; }
    /// <summary>Reads of objects or of parts of them.</summary>
    public long Reads { get; init; }
    /// <summary>Questions about one object: whether it is there, until when it is locked.</summary>
    public long Stats { get; init; }
    /// <summary>Pages of listings.</summary>
    public long Lists { get; init; }
    /// <summary>Deletions.</summary>
    public long Deletes { get; init; }
    /// <summary>Locks set or extended apart from a put.</summary>
    public long Locks { get; init; }
    /// <summary>Requests that had to be repeated; each is counted in its kind too.</summary>
    public long Retries { get; init; }
    /// <summary>Bytes of objects written.</summary>
    public long BytesWritten { get; init; }
    /// <summary>Bytes of objects read.</summary>
    public long BytesRead { get; init; }

    /// <summary>All requests together.</summary>
    public long Requests => Puts + Reads + Stats + Lists + Deletes + Locks;

    /// <summary>What happened between two looks at a counter.</summary>
    /// <param name="later">The later look.</param>
    /// <param name="earlier">The earlier one.</param>
    public static StoreUsage operator -(StoreUsage later, StoreUsage earlier) => new()
    {
        Puts = later.Puts - earlier.Puts,
        Reads = later.Reads - earlier.Reads,
        Stats = later.Stats - earlier.Stats,
        Lists = later.Lists - earlier.Lists,
        Deletes = later.Deletes - earlier.Deletes,
        Locks = later.Locks - earlier.Locks,
        Retries = later.Retries - earlier.Retries,
        BytesWritten = later.BytesWritten - earlier.BytesWritten,
        BytesRead = later.BytesRead - earlier.BytesRead,
    };

    /// <summary>
    /// The requests by kind, those that were not made left out: <c>26 (puts 8, reads 9, lists 9)</c>.
    /// </summary>
    public override string ToString()
    {
        string kinds = string.Join(", ",
            new[] { ("puts", Puts), ("reads", Reads), ("stats", Stats), ("lists", Lists), ("deletes",
                Deletes), ("locks", Locks) }
                .Where(k => k.Item2 > 0)
            .Select(k => $"{k.Item1} {k.Item2.ToString(System.Globalization.CultureInfo.InvariantCulture)}"));
        return Requests.ToString(System.Globalization.CultureInfo.InvariantCulture)
            + (kinds.Length == 0 ? "" : $" ({kinds})")
            + (Retries > 0
                ? $", {Retries.ToString(System.Globalization.CultureInfo.InvariantCulture)} of them repeated"
                : "");
    }

    /// <summary>The difference of two looks at a counter; for languages without operators.</summary>
    /// <param name="earlier">The earlier look.</param>
    public StoreUsage Since(StoreUsage earlier) => this - earlier;
}
