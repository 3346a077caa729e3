namespace Natalia.Backup.Operations.Appliances;

/// <summary>
/// Which VM stands for which appliance, and which VMs do no more, as several repositories say together. Pure: it asks
/// nobody. A takeover is told to each repository by itself, so that they may differ; the one that knows of most
/// takeovers of an appliance has the newest word about it. Where the appliance is enrolled, a repository in which its
/// enrolment ended has no say: a drill that is over must not stop the backup of the VM that lives.
/// </summary>
internal sealed class StandingVMs
{
    // What counts of each appliance, and what was ever said; the newest word first.
    private readonly Dictionary<string, List<Enrolment>> _words, _all;

    /// <param name="words">The enrolments of all repositories that were asked, also those that ended.</param>
    internal StandingVMs(IEnumerable<Enrolment> words)
    {
        _all = words.GroupBy(e => e.Settings.ApplianceId).ToDictionary(g => g.Key,
            g => g.OrderByDescending(e => e.Settings.FormerIds.Count).ThenBy(e => e.IsEnded).ToList(),
            StringComparer.Ordinal);
        _words = _all.ToDictionary(w => w.Key,
            w => w.Value.Exists(e => !e.IsEnded) ? w.Value.FindAll(e => !e.IsEnded) : w.Value,
            StringComparer.Ordinal);
    }

    /// <summary>Nobody was asked: each VM stands for itself.</summary>
    internal static StandingVMs None { get; } = new([]);

    /// <summary>The newest word about an appliance; null when it was never enrolled where somebody asked.</summary>
    internal Enrolment? Of(string applianceId) =>
        _words.TryGetValue(applianceId, out List<Enrolment>? words) ? words[0] : null;

    /// <summary>What the repositories say of an appliance, the newest word first.</summary>
    internal IReadOnlyList<Enrolment> WordsOf(string applianceId) =>
        _words.TryGetValue(applianceId, out List<Enrolment>? words) ? words : [];

    /// <summary>
    /// A word about an appliance that is as new as the newest, and names another VM; null where there is none.
    /// </summary>
    internal Enrolment? Disagreement(string applianceId) =>
        _words.TryGetValue(applianceId, out List<Enrolment>? words) && words[0].Settings.FormerIds.Count > 0
            ? words.Find(e => e.Settings.VMId != words[0].Settings.VMId
                && e.Settings.FormerIds.Count == words[0].Settings.FormerIds.Count)
            : null;

    /// <summary>
    /// The id whose history a VM goes on with: that of the appliance for which it stands, or stood last; else its own.
    /// </summary>
    internal string IdOf(string vmId)
    {
        List<Enrolment> own = [.. Newest.Where(e => e.Settings.VMId == vmId)];
        return (own.Find(e => !e.IsEnded && e.Settings.SuccessorId is not null) ?? own.Find(e => !e.IsEnded)
            ?? _all.Values.Select(w => w[0]).FirstOrDefault(e => e.Settings.SuccessorId == vmId))
            ?.Settings.ApplianceId ?? vmId;
    }

    /// <summary>The appliances whose place a VM took.</summary>
    internal IReadOnlyList<string> AppliancesOf(string vmId) =>
        [.. Newest.Where(e => e.Settings.SuccessorId == vmId).Select(e => e.Settings.ApplianceId)];

    /// <summary>
    /// The word by which another VM took a VM's place, as long as that one stands for no appliance; else null.
    /// </summary>
    internal Enrolment? ReplacementOf(string vmId) =>
        Newest.Any(e => !e.IsEnded && e.Settings.VMId == vmId)
            ? null
            : Newest.FirstOrDefault(e => e.Settings.VMId != vmId && e.Settings.FormerIds.Contains(vmId));

    /// <summary>Every VM that stands or stood for an appliance, in whatever repository's word.</summary>
    internal IReadOnlyList<string> VMsOf(string applianceId) =>
        [.. _all.TryGetValue(applianceId, out List<Enrolment>? words)
            ? words.SelectMany(e => e.Settings.FormerIds.Append(e.Settings.VMId)).Append(applianceId)
                .Distinct(StringComparer.Ordinal)
            : [applianceId]];

    /// <summary>
    /// The VMs that will have stood for an appliance when a VM takes its place: those that the newest word names in
    /// their order, before them those that only others name. So what is told to one repository after the other ends
    /// in the same list.
    /// </summary>
    internal IReadOnlyList<string> FormerOf(string applianceId, string vmId)
    {
        if (!_all.TryGetValue(applianceId, out List<Enrolment>? words)) return vmId == applianceId ? [] : [applianceId];
        Enrolment newest = words[0];
        List<string> former = [.. newest.Settings.FormerIds];
        if (newest.Settings.VMId != vmId) former.Add(newest.Settings.VMId);
        foreach (Enrolment word in words.Skip(1))
            foreach (string id in word.Settings.FormerIds.Append(word.Settings.VMId))
                if (id != vmId && !former.Contains(id)) former.Insert(0, id);
        return former;
    }

    private IEnumerable<Enrolment> Newest => _words.Values.Select(w => w[0]);
}
