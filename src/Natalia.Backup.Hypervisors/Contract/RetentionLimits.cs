namespace Natalia.Backup.Hypervisors;

/// <summary>How many points each rule keeps. A limit that is 0 keeps none; all 0 keeps everything.</summary>
/// <param name="Last">The newest ones, 0 or more.</param>
/// <param name="Hourly">Hours with a point, 0 or more.</param>
/// <param name="Daily">Days with a point, 0 or more.</param>
/// <param name="Weekly">ISO weeks with a point, 0 or more.</param>
/// <param name="Monthly">Months with a point, 0 or more.</param>
/// <param name="Yearly">Years with a point, 0 or more.</param>
public sealed record RetentionLimits(int Last = 0, int Hourly = 0, int Daily = 0, int Weekly = 0, int Monthly = 0, int Yearly = 0)
{
    /// <summary>True when no rule is set, so that everything stays.</summary>
    public bool KeepsAll => Last <= 0 && Hourly <= 0 && Daily <= 0 && Weekly <= 0 && Monthly <= 0 && Yearly <= 0;
}
