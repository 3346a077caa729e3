namespace Natalia.Backup.Engine.Audit;

/// <summary>
/// What was done in a repository that keeps no log of its own. The word in the audit record is <c>native-</c> and the
/// value in small letters: <c>native-point-made</c>.
/// </summary>
public enum NativeEvent
{
    /// <summary>A restore point was made.</summary>
    PointMade,
    /// <summary>A restore point was removed.</summary>
    PointRemoved,
    /// <summary>A restore point was protected.</summary>
    PointProtected,
    /// <summary>A restore point's protection was lifted.</summary>
    PointUnprotected,
    /// <summary>
    /// A change of a restore point, or its restore, was asked for, and whether it was done is not known.
    /// </summary>
    PointOutcomeUnknown,
    /// <summary>It was read what the storage knows of a restore point's health.</summary>
    PointVerified,
    /// <summary>A restore point was restored.</summary>
    PointRestored,
    /// <summary>A restore point went through a restore test.</summary>
    RestoreTested,
    /// <summary>An appliance was enrolled, or its settings changed.</summary>
    ApplianceSet,
    /// <summary>The enrolment of an appliance was ended.</summary>
    EnrolmentEnded,
    /// <summary>A retention policy was set or taken away.</summary>
    RetentionSet,
    /// <summary>A schedule was made or changed.</summary>
    ScheduleSet,
    /// <summary>A schedule was removed.</summary>
    ScheduleRemoved,
}
