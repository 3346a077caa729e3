using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Sealing;

namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// The records of one log as they lie, and what is wrong with them. Pure: it is given bytes, and reads nothing. Objects
/// may be added from any thread. docs/format.md §9.
/// </summary>
/// <param name="applianceId">Whose log it is; null for the repository's own.</param>
/// <param name="publicKey">The key that must have signed.</param>
internal sealed class AuditChain(string? applianceId, byte[] publicKey)
{
    /// <summary>
    /// Two writers who did not see each other wrote at about the same time: this is how far their clocks, and a slow
    /// store, may set them apart.
    /// </summary>
    private static readonly TimeSpan s_atOnce = TimeSpan.FromHours(1);

    private readonly object _gate = new();
    private readonly List<Link> _signed = [];
    private readonly List<Link> _unsigned = [];
    private readonly List<AuditBreak> _unreadable = [];

    /// <summary>A record that could be read.</summary>
    /// <param name="ObjectName">Where it lies.</param>
    /// <param name="IsNamed">It lies under its own name.</param>
    /// <param name="Record">What it says.</param>
    private sealed record Link(string ObjectName, bool IsNamed, AuditRecord Record)
    {
        internal string Hash => Record.RecordHash;
        internal long Number => Record.Number;
    }

    /// <summary>Takes one object of the log.</summary>
    internal void Add(string objectName, byte[] bytes)
    {
        AuditName? name = AuditName.Parse(objectName);
        try
        {
            Envelope envelope = SmallObject.Check(bytes, ObjectKind.AuditRecord);
            bool isSigned = AuditLog.IsSigned(bytes, envelope, publicKey);
            AuditRecord record = AuditLog.DecodeHeader(envelope);
            var link = new Link(objectName, name is not null && AuditLog.IsNamed(record, envelope, name), record);
            lock (_gate) (isSigned ? _signed : _unsigned).Add(link);
        }
        catch (FormatException damage)
        {
            AuditBreak found = name is null
                ? new AuditBreak(long.MaxValue, AuditBreakKind.Inserted, $"'{objectName}' is not a record.")
                : new AuditBreak(name.Number, AuditBreakKind.Edited,
                    $"'{objectName}' is not what was written: {damage.Message}");
            lock (_gate) _unreadable.Add(found);
        }
    }

    /// <summary>Takes one object of the log that the store does not give. Thread-safe as <see cref="Add"/>.</summary>
    internal void AddUnreadable(string objectName)
    {
        var found = new AuditBreak(AuditName.Parse(objectName)?.Number ?? long.MaxValue, AuditBreakKind.Edited,
            $"The store could not read '{objectName}', which may pass.");
        lock (_gate) _unreadable.Add(found);
    }

    /// <summary>Draws the conclusion, when every object was added.</summary>
    /// <param name="anchors">Hashes that something outside the log names, each with what that is.</param>
    internal AuditVerdict Conclude(IReadOnlyDictionary<string, string> anchors)
    {
        lock (_gate)
        {
            var breaks = new List<AuditBreak>(_unreadable);
            Dictionary<string, Link> links = PlaceSigned(breaks);
            HashSet<string> missing = FollowHeads(links, breaks);
            List<Link> open = FindOpen(links);
            FindStrangers(links, open, breaks);
            PlaceUnsigned(links, missing, breaks);
            if (applianceId is null
                && !links.Values.Any(l => l.Number == 1 && l.Record.Event == AuditEvents.RepositoryCreated))
                breaks.Add(new AuditBreak(1, links.Count == 0 ? AuditBreakKind.Cut : AuditBreakKind.Removed,
                    "The record of the repository's making, with which its log begins, is not there."));
            foreach (KeyValuePair<string, string> anchor in anchors
                .Where(a => !links.ContainsKey(a.Key) && !missing.Contains(a.Key)))
                breaks.Add(new AuditBreak(long.MaxValue, AuditBreakKind.Cut,
                    $"{anchor.Value} names the record {Short(anchor.Key)}, which is not there and of which no later "
                    + "record knows: the end of the log was cut off."));
            return new AuditVerdict
            {
                // What was changed in place explains what then seems to be missing there: the kinds are in that order.
                Breaks = [.. breaks.OrderBy(b => b.Number).ThenBy(b => b.Kind)],
                Records = [.. links.Values.Select(l => l.Record)],
                Heads = [.. open.OrderBy(l => l.Number).Select(l => l.Hash)],
            };
        }
    }

    /// <summary>The genuine records of this log, each once.</summary>
    private Dictionary<string, Link> PlaceSigned(List<AuditBreak> breaks)
    {
        var links = new Dictionary<string, Link>(StringComparer.Ordinal);
        foreach (Link link in _signed.OrderBy(l => !l.IsNamed).ThenBy(l => l.ObjectName, StringComparer.Ordinal))
        {
            if (link.Record.ApplianceId != applianceId)
                breaks.Add(new AuditBreak(link.Number, AuditBreakKind.Inserted,
                    $"'{link.ObjectName}' belongs to another log of this repository."));
            else if (links.TryGetValue(link.Hash, out Link? original))
                breaks.Add(new AuditBreak(link.Number, AuditBreakKind.Inserted,
                    $"'{link.ObjectName}' is a copy of '{original.ObjectName}'."));
            else
            {
                links.Add(link.Hash, link);
                if (!link.IsNamed)
                    breaks.Add(
                        new AuditBreak(Math.Min(link.Number, AuditName.Parse(link.ObjectName)?.Number ?? link.Number),
                        AuditBreakKind.Reordered,
                        $"'{link.ObjectName}' holds the record with the number {link.Number} ({link.Record.Event}), "
                        + "which had another name."));
            }
        }
        return links;
    }

    /// <summary>Is everything there that records name, and does it have a lower number.</summary>
    private static HashSet<string> FollowHeads(Dictionary<string, Link> links, List<AuditBreak> breaks)
    {
        var missing = new HashSet<string>(StringComparer.Ordinal);
        foreach (Link link in links.Values.OrderBy(l => l.Number))
        {
            long highest = 0;
            bool isComplete = true;
            foreach (string head in link.Record.Heads)
            {
                if (links.TryGetValue(head, out Link? named))
                {
                    highest = Math.Max(highest, named.Number);
                    continue;
                }
                isComplete = false;
                if (missing.Add(head))
                    breaks.Add(new AuditBreak(link.Number - 1, AuditBreakKind.Removed,
                        $"'{link.ObjectName}' follows the record {Short(head)}, which is not there."));
            }
            if (highest >= link.Number)
                breaks.Add(new AuditBreak(link.Number, AuditBreakKind.Reordered,
                    $"'{link.ObjectName}' has the number {link.Number}, but follows a record with the number "
                    + $"{highest}."));
            else if (isComplete && highest < link.Number - 1)
                breaks.Add(new AuditBreak(link.Number - 1, AuditBreakKind.Removed,
                    $"The record with the number {link.Number - 1}, which was there when '{link.ObjectName}' was "
                    + "written, could not be read then, and is gone."));
        }
        return missing;
    }

    /// <summary>The records that no other one names.</summary>
    private static List<Link> FindOpen(Dictionary<string, Link> links)
    {
        var named = new HashSet<string>(links.Values.SelectMany(l => l.Record.Heads), StringComparer.Ordinal);
        return [.. links.Values.Where(l => !named.Contains(l.Hash))];
    }

    /// <summary>Records that nobody names although later ones are there.</summary>
    private static void FindStrangers(Dictionary<string, Link> links, List<Link> open, List<AuditBreak> breaks)
    {
        long newest = links.Values.Select(l => l.Number).DefaultIfEmpty(0).Max();
        foreach (Link link in open.Where(l => l.Number < newest))
        {
            // A writer who saw it would have named it; one who wrote at the same moment has given its own record the
            // same number.
            if (!links.Values.Any(l => l.Number == link.Number && l != link))
                breaks.Add(new AuditBreak(link.Number + 1, AuditBreakKind.Removed,
                    $"The record that followed '{link.ObjectName}' is not there, although later ones are."));
            // It saw none of those with its number or a higher one, and none of them saw it: then all of them were
            // written at the same moment.
            else if (links.Values.FirstOrDefault(
                l => l.Number >= link.Number && (l.Record.TimeUtc - link.Record.TimeUtc).Duration() > s_atOnce)
                is Link apart)
                breaks.Add(new AuditBreak(link.Number, AuditBreakKind.Inserted,
                    $"'{link.ObjectName}', dated {link.Record.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC, neither knows "
                    + $"'{apart.ObjectName}', dated {apart.Record.TimeUtc:yyyy-MM-dd HH:mm:ss} UTC, nor is known to "
                    + "it."));
        }
    }

    /// <summary>Records without this repository's signature: changed in their place, or put there.</summary>
    private void PlaceUnsigned(Dictionary<string, Link> links, HashSet<string> missing, List<AuditBreak> breaks)
    {
        foreach (Link link in _unsigned)
        {
            // Who changes a record and mends its checksum leaves it where it was, and where one is missed.
            bool fits = link.IsNamed && link.Record.ApplianceId == applianceId
                && link.Record.Heads.All(links.ContainsKey)
                && (missing.Count > 0 || !links.Values.Any(l => l.Number == link.Number));
            long number = AuditName.Parse(link.ObjectName)?.Number ?? link.Number;
            breaks.Add(new AuditBreak(number, fits ? AuditBreakKind.Edited : AuditBreakKind.Inserted,
                $"'{link.ObjectName}' is not signed by the audit key of this repository."));
        }
    }

    private static string Short(string hash) => hash.Length > 12 ? hash.Substring(0, 12) + "…" : hash;
}
