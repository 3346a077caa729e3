using System.Globalization;

namespace Natalia.Backup.Hypervisors.Contract;

/// <summary>How many points each rule keeps. A limit that is 0 keeps none; all 0 keeps everything.</summary>
/// <param name="Last">The newest ones, 0 or more.</param>
/// <param name="Hourly">Hours with a point, 0 or more.</param>
/// <param name="Daily">Days with a point, 0 or more.</param>
/// <param name="Weekly">ISO weeks with a point, 0 or more.</param>
/// <param name="Monthly">Months with a point, 0 or more.</param>
/// <param name="Yearly">Years with a point, 0 or more.</param>
public sealed record RetentionLimits(int Last = 0, int Hourly = 0, int Daily = 0, int Weekly = 0, int Monthly = 0,
    int Yearly = 0)
{
    /// <summary>True when no rule is set, so that everything stays.</summary>
    public bool KeepsAll => Last <= 0 && Hourly <= 0 && Daily <= 0 && Weekly <= 0 && Monthly <= 0 && Yearly <= 0;

    /// <summary>The rules that are set: <c>daily 7, weekly 4</c>; <c>everything</c> when none is.</summary>
    public override string ToString()
    {
        (string, int)[] rules =
            new[] { ("last", Last), ("hourly", Hourly), ("daily", Daily), ("weekly", Weekly), ("monthly",
                Monthly), ("yearly", Yearly) };
        return KeepsAll
            ? "everything"
            : string.Join(", ",
                rules.Where(r => r.Item2 > 0)
                    .Select(r => string.Format(CultureInfo.InvariantCulture, "{0} {1}", r.Item1, r.Item2)));
    }
}
