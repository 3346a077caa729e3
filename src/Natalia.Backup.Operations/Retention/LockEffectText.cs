using System.Globalization;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Immutability;
using Natalia.Backup.Engine.Retention;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Operations.Retention;

/// <summary>What locks and a retention policy come to together, for people.</summary>
internal static class LockEffectText
{
    /// <summary>The effect on appliances of a repository; null where nothing is locked, or nothing is known.</summary>
    /// <param name="repository">The repository.</param>
    /// <param name="subjects">The appliances; none stands for one that has no points yet.</param>
    /// <param name="policy">The policy; null for none.</param>
    /// <param name="nowUtc">From when on.</param>
    internal static LockEffect? Compute(RepositoryConnection repository, IReadOnlyList<RetentionSubject> subjects,
        RetentionPolicy? policy, DateTime nowUtc)
    {
        if (repository.Immutability is not ImmutabilityPolicy locks) return null;
        List<LockEffect> effects = [.. subjects.Where(s => s.Points.Count > 0)
            .Select(s => LockEffect.Compute(s.RetentionPoints, policy ?? new RetentionPolicy(), locks, nowUtc))];
        return effects.Count > 0
            ? LockEffect.Sum(effects)
            : LockEffect.Compute([], policy ?? new RetentionPolicy(), locks, nowUtc);
    }

    /// <summary>What stays locked for longer than it is kept, which costs storage; null when nothing does.</summary>
    internal static string? Cost(LockEffect effect)
    {
        if (effect.LockedPastRetention == 0 && effect.ExpectedLockedPastRetention == 0) return null;
        string expected = effect.ExpectedLockedPastRetention == 0
            ? ""
            : $"with a point every {Time(effect.PointEvery)}, about {Points(effect.ExpectedLockedPastRetention)} "
                + $"{Are(effect.ExpectedLockedPastRetention)} locked at any time although the policy has let "
                + $"{Them(effect.ExpectedLockedPastRetention)} go{Bytes(effect.ExpectedLockedPastRetentionBytes)}";
        if (effect.LockedPastRetention == 0) return Sentence(expected);
        string now = $"{Points(effect.LockedPastRetention)} that {Are(effect.LockedPastRetention)} "
            + $"there{Bytes(effect.LockedPastRetentionBytes)} {(effect.LockedPastRetention == 1 ? "stays" : "stay")} "
            + $"locked up to {Time(effect.LongestPastRetention)} after the policy lets "
            + $"{Them(effect.LockedPastRetention)} go";
        return Sentence(expected.Length == 0 ? now : now + "; " + expected);
    }

    /// <summary>What is kept for longer than it is locked, and could be deleted; null when nothing is.</summary>
    internal static string? Exposure(LockEffect effect)
    {
        if (effect.Exposed == 0 && effect.ExpectedExposed == 0) return null;
        string expected = effect.ExpectedExposed == 0
            ? ""
            : $"with a point every {Time(effect.PointEvery)}, {Points(effect.ExpectedExposed)} "
                + $"{Are(effect.ExpectedExposed)} kept without a lock at any time";
        if (effect.Exposed == 0) return Sentence(expected);
        string time = effect.LongestExposure == TimeSpan.MaxValue
            ? "for ever"
            : "up to " + Time(effect.LongestExposure);
        string now = string.Format(CultureInfo.InvariantCulture,
            "{0} that {1} there {2} kept {3} after {4} ended, the first from {5:yyyy-MM-dd} on", Points(effect.Exposed),
            Are(effect.Exposed), Are(effect.Exposed), time,
            effect.Exposed == 1 ? "its lock has" : "their locks have", effect.FirstExposedUtc);
        return Sentence(expected.Length == 0 ? now : now + "; " + expected);
    }

    /// <summary>Everything in one line.</summary>
    internal static string All(LockEffect effect) =>
        effect.IsEven
            ? "Nothing is locked for longer than the policy keeps it, and nothing is kept without a lock."
            : string.Join(" ", new[] { Cost(effect), Exposure(effect) }.Where(s => s is not null));

    private static string Sentence(string text) => char.ToUpperInvariant(text[0]) + text.Substring(1) + ".";

    private static string Points(int count) =>
        count == 1 ? "1 point" : count.ToString(CultureInfo.InvariantCulture) + " points";

    private static string Are(int count) => count == 1 ? "is" : "are";

    private static string Them(int count) => count == 1 ? "it" : "them";

    private static string Bytes(long? bytes) => bytes is long known ? $" ({ByteSize.Format(known)})" : "";

    private static string Time(TimeSpan time) =>
        time.TotalDays >= 2 ? time.TotalDays.ToString("0", CultureInfo.InvariantCulture) + " days"
        : time.TotalHours is > 23.5 and < 24.5
            ? "day"
            : time.TotalHours.ToString("0.#", CultureInfo.InvariantCulture) + " hours";
}
