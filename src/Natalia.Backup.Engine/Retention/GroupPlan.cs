using System.Globalization;

namespace Natalia.Backup.Engine.Retention;

/// <summary>The plan for the points of one appliance in one repository.</summary>
internal sealed class GroupPlan
{
    private readonly Entry[] _entries;
    private readonly RetentionPolicy _policy;
    private readonly string _policyText;
    private readonly DateTime _nowUtc;
    private readonly List<Step> _steps = [];

    internal GroupPlan(IEnumerable<RetentionPoint> points, RetentionPolicy policy, TimeZoneInfo zone, DateTime nowUtc)
    {
        _policy = policy;
        _policyText = policy.ToString();
        _nowUtc = nowUtc;
        _entries = points.Select(p => new Entry(p, zone)).ToArray();
        Array.Sort(_entries, Entry.NewestFirst);
    }

    internal IEnumerable<RetentionPlanRow> Rows()
    {
        IndispensablePoints stay = Decide();
        return _entries
            .Select(e => ToRow(e,
                ReferenceEquals(e.Point, stay.NewestGood)
                    ? "The newest good point"
                    : ReferenceEquals(e.Point, stay.LastMade) ? "The good point that was made last" : null));
    }

    /// <summary>The points that stay for another reason than a lock or a reader, without the words.</summary>
    internal IEnumerable<RetentionPoint> Kept()
    {
        IndispensablePoints stay = Decide();
        return _entries
            .Where(e => _policy.KeepsEverything
                || e.Mark is Mark.Keep or Mark.Protected or Mark.KeepUnfinished or Mark.Future or Mark.Renamed
                || ReferenceEquals(e.Point, stay.NewestGood) || ReferenceEquals(e.Point, stay.LastMade))
            .Select(e => e.Point);
    }

    /// <summary>Applies the rules.</summary>
    /// <returns>The points that are never removed.</returns>
    private IndispensablePoints Decide()
    {
        if (!_policy.KeepsEverything)
        {
            MarkUndisposable();
            foreach ((RetentionRule rule, int limit) in _policy.Rules()) Apply(new Step(rule, limit));
        }
        return IndispensablePoints.Of(_entries.Select(e => e.Point));
    }

    /// <summary>
    /// Decides what no rule looks at: protected and unfinished points, and those whose time is not certain.
    /// </summary>
    private void MarkUndisposable()
    {
        for (int i = 0; i < _entries.Length; i++)
        {
            Entry entry = _entries[i];
            if (entry.Point.IsProtected)
                entry.Mark = Mark.Protected;
            else if (entry.Point.IsRenamed)
                entry.Mark = Mark.Renamed;
            else if (entry.Point.IsInFuture)
                entry.Mark = Mark.Future;
            else if (!entry.Point.IsFinished)
                // Only the newest of all can still be in the making.
                entry.Mark = i == 0 ? Mark.KeepUnfinished : Mark.RemoveUnfinished;
        }
    }

    private void Apply(Step step)
    {
        _steps.Add(step);
        foreach (Entry entry in _entries)
            if (entry.Mark == Mark.Keep)
                step.Covered.Add(entry.Key(step.Rule));

        foreach (Entry entry in _entries)
        {
            PeriodKey key = entry.Key(step.Rule);
            if (entry.Mark != Mark.None)
            {
                step.PassOver(entry.Mark, key);
                continue;
            }
            if (step.Covered.Contains(key)) continue;
            if (step.Taken.TryGetValue(key, out Entry? holder))
            {
                entry.Decide(Mark.Remove, step, holder.Slot, holder);
                continue;
            }
            if (step.Taken.Count == step.Limit) break;
            step.Taken.Add(key, entry);
            entry.Decide(Mark.Keep, step, step.Taken.Count, null);
            entry.Newer = step.PassedOver(key);
        }
    }

    private RetentionPlanRow ToRow(Entry entry, string? indispensable)
    {
        RetentionPlanRow Row(RetentionAction action, RetentionRule rule, string reason, bool takesSlot = false) =>
            new(entry.Point, entry.Utc, entry.Local, _policyText, _policy.TimeZoneId)
            {
                Action = action,
                Rule = rule,
                Reason = reason,
                Slot = takesSlot ? entry.Slot : null,
                SlotLimit = takesSlot ? entry.Step!.Limit : null,
            };

        if (entry.Point.IsProtected)
            return Row(RetentionAction.Protected, RetentionRule.None, "Protected: no rule counts it or removes it.");
        if (entry.Point.IsRenamed)
            return Row(RetentionAction.Keep, RetentionRule.None,
                "Renamed: its file does not bear the storage's own name, so its time is not certain. No rule counts "
                + "it or removes it; Remove-NataliaRestorePoint does.");
        if (entry.Point.IsInFuture)
            return Row(RetentionAction.Keep, RetentionRule.None,
                $"In the future: now it is {Utc(_nowUtc)}, so that its time cannot be true. No rule counts it or "
                + "removes it; Remove-NataliaRestorePoint does.");
        if (_policy.KeepsEverything)
            return Row(RetentionAction.Keep, RetentionRule.None, "No rule is set, so every point is kept.");
        if (entry.Mark == Mark.Keep)
            return Row(RetentionAction.Keep, entry.Step!.Rule, KeepReason(entry), takesSlot: true);
        if (entry.Mark == Mark.KeepUnfinished)
            return Row(RetentionAction.Keep, RetentionRule.Unfinished,
                "Unfinished and newer than every other point: a backup may still be writing it.");

        string why = RemoveReason(entry);
        if (indispensable is not null)
            return Row(RetentionAction.Keep, RetentionRule.NewestGood,
                $"{indispensable} is never removed. But for that: {why}");
        RetentionRule rule = entry.Mark == Mark.RemoveUnfinished
            ? RetentionRule.Unfinished
            : entry.Step?.Rule ?? RetentionRule.None;
        if (entry.Point.LockedUntilUtc is DateTime until && RetentionPlanner.AsUtc(until) > _nowUtc)
            return Row(RetentionAction.Locked, rule,
                $"Locked until {Utc(RetentionPlanner.AsUtc(until))}. But for that: {why}");
        if (entry.Point.IsInUse)
            return Row(RetentionAction.Keep, RetentionRule.InUse, "A running restore reads it. But for that: " + why);
        return Row(RetentionAction.Remove, rule, why);
    }

    private static string KeepReason(Entry entry)
    {
        Step step = entry.Step!;
        string kind = (entry.Newer & (Passed.Protected | Passed.Unfinished)) switch
        {
            Passed.Protected => "unprotected ",
            Passed.Unfinished => "finished ",
            Passed.None => "",
            _ => "unprotected and finished ",
        };
        if (step.Rule == RetentionRule.Last)
            return entry.Slot == 1
                ? $"The newest {kind}point: {step.SlotText(1)}."
                : $"One of the newest {kind}points: {step.SlotText(entry.Slot)}.";
        string left = (entry.Newer & Passed.Removed) != 0 ? " that the rules before left" : "";
        return $"The newest {kind}point of {step.PeriodText(entry.Key(step.Rule))}{left}: {step.SlotText(entry.Slot)}.";
    }

    private string RemoveReason(Entry entry)
    {
        if (entry.Mark == Mark.RemoveUnfinished) return "Unfinished, and a newer point exists.";
        if (entry.Step is { } step)
            // The same for all that one holder displaces, which may be very many.
            return entry.Holder!.WhyOthersGo ??= step.Rule == RetentionRule.Last
                ? $"Of the same time as a point that is kept ({step.SlotText(entry.Slot)})."
                : $"Older than the point of {LocalText(entry.Holder.Local)}, which stands for "
                    + $"{step.PeriodText(entry.Key(step.Rule))} ({step.SlotText(entry.Slot)}).";
        return "No rule keeps it: " + string.Join("; ", _steps.Select(s => s.WhyNot(entry.Key(s.Rule)))) + ".";
    }

    private static string LocalText(DateTime local) =>
        local.ToString(local.Second == 0 ? "yyyy-MM-dd HH:mm" : "yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Utc(DateTime utc) => utc.ToString("yyyy-MM-dd HH:mm 'UTC'", CultureInfo.InvariantCulture);

    private enum Mark { None, Keep, Remove, Protected, KeepUnfinished, RemoveUnfinished, Future, Renamed }

    /// <summary>
    /// What newer points of its period the holder of a slot has, all passed over; only the reason's words depend on it.
    /// </summary>
    [Flags]
    private enum Passed { None = 0, Protected = 1, Unfinished = 2, Removed = 4 }

    private sealed class Entry(RetentionPoint point, TimeZoneInfo zone)
    {
        internal RetentionPoint Point { get; } = point;
        internal DateTime Utc { get; } = RetentionPlanner.AsUtc(point.TimeUtc);
        internal DateTime Local { get; } = TimeZoneInfo.ConvertTimeFromUtc(RetentionPlanner.AsUtc(point.TimeUtc), zone);
        internal Mark Mark { get; set; }
        internal Step? Step { get; private set; }
        /// <summary>The slot that this entry takes, or that its holder has.</summary>
        internal int Slot { get; private set; }
        /// <summary>The newer entry because of which this one is removed.</summary>
        internal Entry? Holder { get; private set; }
        /// <summary>Why the older points of this entry's period go, once it was written down.</summary>
        internal string? WhyOthersGo { get; set; }
        internal Passed Newer { get; set; }

        internal PeriodKey Key(RetentionRule kind) => PeriodKey.Of(kind, Utc, Local);

        internal void Decide(Mark mark, Step step, int slot, Entry? holder) =>
            (Mark, Step, Slot, Holder) = (mark, step, slot, holder);

        internal static int NewestFirst(Entry a, Entry b) => RetentionPoint.NewestFirst(a.Point, b.Point);
    }

    /// <summary>One rule at work.</summary>
    private sealed class Step(RetentionRule rule, int limit)
    {
        private readonly string _name = rule.ToString().ToLowerInvariant();
        private readonly string _allTaken = limit == 1
            ? $"the rule {rule.ToString().ToLowerInvariant()} 1 keeps a newer point"
            : $"the rule {rule.ToString().ToLowerInvariant()} {limit.ToString(CultureInfo.InvariantCulture)} keeps "
                + "newer points";
        private readonly Dictionary<PeriodKey, Passed> _passed = [];
        private readonly Dictionary<PeriodKey, string> _whyNot = [];

        internal RetentionRule Rule { get; } = rule;
        internal int Limit { get; } = limit;
        /// <summary>Periods for which an earlier rule keeps a point.</summary>
        internal HashSet<PeriodKey> Covered { get; } = [];
        /// <summary>Who holds a slot of this rule.</summary>
        internal Dictionary<PeriodKey, Entry> Taken { get; } = [];

        internal void PassOver(Mark mark, PeriodKey key)
        {
            Passed what = mark switch
            {
                Mark.Protected => Passed.Protected,
                Mark.KeepUnfinished or Mark.RemoveUnfinished => Passed.Unfinished,
                Mark.Remove => Passed.Removed,
                _ => Passed.None,
            };
            if (what != Passed.None) _passed[Shared(key)] = PassedOver(key) | what;
        }

        internal Passed PassedOver(PeriodKey key) =>
            _passed.TryGetValue(Shared(key), out Passed what) ? what : Passed.None;

        // "The newest point" of the rule 'last' is so among all points, not among those of its own time.
        private PeriodKey Shared(PeriodKey key) => Rule == RetentionRule.Last ? default : key;

        internal string SlotText(int slot) =>
            $"{_name} {slot.ToString(CultureInfo.InvariantCulture)} of {Limit.ToString(CultureInfo.InvariantCulture)}";

        internal string PeriodText(PeriodKey key) => Rule switch
        {
            RetentionRule.Hourly => "hour ",
            RetentionRule.Daily => "day ",
            RetentionRule.Weekly => "week ",
            RetentionRule.Monthly => "month ",
            _ => "year ",
        } + key;

        internal string WhyNot(PeriodKey key)
        {
            if (Rule == RetentionRule.Last || !(Covered.Contains(key) || Taken.ContainsKey(key))) return _allTaken;
            if (!_whyNot.TryGetValue(key, out string? text))
                _whyNot[key] = text = $"{PeriodText(key)} has a kept point already";
            return text;
        }
    }
}
