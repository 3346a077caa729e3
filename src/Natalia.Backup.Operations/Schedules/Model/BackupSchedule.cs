using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>
/// Backups that something starts by itself: a scheduled task or a timer of this machine that runs a profile, or a job
/// of a hypervisor that protects by itself. Immutable and job-safe.
/// </summary>
public sealed record BackupSchedule
{
    /// <summary>Its id: of the task or timer, or the hypervisor's.</summary>
    public required string ScheduleId { get; init; }
    /// <summary>True when this product made it.</summary>
    public bool IsOwn { get; init; }
    /// <summary>What starts the runs: TaskScheduler, Systemd, or the kind of the hypervisor.</summary>
    public required string Scheduler { get; init; }
    /// <summary>The profile that its runs connect with, a full path; null for a hypervisor's own schedule.</summary>
    public string? ProfilePath { get; init; }
    /// <summary>The VMs that it takes, as the hypervisor numbers them; empty when it takes all or a pool.</summary>
    public IReadOnlyList<string> NativeIds { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>
    /// What the VMs that it takes are called, as far as it is known; names and wildcards of a schedule with a profile,
    /// where none stands for every enrolled appliance.
    /// </summary>
    public IReadOnlyList<string> ApplianceNames { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>The name of the hypervisor session that it was read through, or null.</summary>
    public string? Hypervisor { get; init; }
    /// <summary>The hypervisor's storage that it writes to, or null.</summary>
    public string? Storage { get; init; }
    /// <summary>The repositories that its runs copy new points to; empty without.</summary>
    public IReadOnlyList<string> CopyTo { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);
    /// <summary>Whether it tests a restore every quarter.</summary>
    public bool QuarterlyRestoreTest { get; init; }
    /// <summary>The account that its runs have; null for a hypervisor's own schedule.</summary>
    public string? Account { get; init; }
    /// <summary>How often.</summary>
    public ScheduleKind Kind { get; init; }
    /// <summary>When, in the words of what starts the runs.</summary>
    public string? Expression { get; init; }
    /// <summary>The next runs that are foreseen, UTC; empty when none is, or nobody can tell.</summary>
    public IReadOnlyList<DateTime> NextRunsUtc { get; init => field = ItemList.Of(value); } = ItemList.Of<DateTime>([]);
    /// <summary>When the last run began, UTC; null when there was none, or nobody can tell.</summary>
    public DateTime? LastRunUtc { get; init; }
    /// <summary>How the last run ended.</summary>
    public ScheduledRunResult LastResult { get; init; }
    /// <summary>The exit code of the last run, where it is known: 0 done, 1 something failed, 2 nothing was
    /// done.</summary>
    public long? LastExitCode { get; init; }
    /// <summary>
    /// The newest good restore point of the appliance that is worst off, UTC; null when the repositories of the profile
    /// are not connected here, or an appliance has none.
    /// </summary>
    public DateTime? NewestPointUtc { get; init; }
    /// <summary>
    /// True when the newest good point of an appliance is older than the schedule's interval by more than two hours, or
    /// there is none: so a run that never started is found. Null when that is not known.
    /// </summary>
    public bool? IsOverdue { get; init; }
    /// <summary>
    /// What the hypervisor's runs keep, whoever says so: the schedule, else the storage, else the host. Null when that
    /// is not known, and for runs of a profile, which apply each appliance's own policy.
    /// </summary>
    public RetentionLimits? Retention { get; init; }
    /// <summary>Who says it.</summary>
    public NativeRetentionSource RetentionSource { get; init; }
    /// <summary>False when it is switched off.</summary>
    public bool IsEnabled { get; init; }
    /// <summary>The disks that it takes, as <c>VM:disk</c>; null when that was not asked.</summary>
    public IReadOnlyList<string>? IncludedDisks { get; init => field = ItemList.OfAny(value); }
    /// <summary>
    /// The disks that it leaves out with the reason, as <c>VM:disk (reason)</c>; null when that was not asked.
    /// </summary>
    public IReadOnlyList<string>? OmittedDisks { get; init => field = ItemList.OfAny(value); }
    /// <summary>False when the last registration found everything as wanted.</summary>
    public bool WasChanged { get; init; }
    /// <summary>The program that its runs start; null for a hypervisor's own schedule.</summary>
    public string? Program { get; init; }
    /// <summary>
    /// The program's command line: on Linux as a shell takes it, on Windows as programs do; null for a hypervisor's own
    /// schedule. It holds no secret.
    /// </summary>
    public string? Arguments { get; init; }
    /// <summary>The folder of its unit files; null but for a timer of systemd.</summary>
    public string? UnitFolder { get; init; }
    /// <summary>What should be known besides, each a full sentence.</summary>
    public IReadOnlyList<string> Warnings { get; init => field = ItemList.Of(value); } = ItemList.Of<string>([]);

    /// <summary>A schedule of this machine, as far as its definition tells.</summary>
    /// <param name="schedule">The definition.</param>
    /// <param name="scheduler">What starts it.</param>
    /// <param name="line">How the arguments are written as one line.</param>
    internal static BackupSchedule Of(ScheduleDefinition schedule, string scheduler,
        Func<IEnumerable<string>, string> line) =>
        new()
        {
            ScheduleId = schedule.ScheduleId,
            IsOwn = true,
            Scheduler = scheduler,
            ProfilePath = schedule.ProfilePath,
            ApplianceNames = [.. schedule.Appliances],
            CopyTo = [.. schedule.CopyTo],
            QuarterlyRestoreTest = schedule.QuarterlyRestoreTest,
            Kind = schedule.Kind,
            Program = schedule.Program,
            Arguments = line(ScheduledCommand.Arguments(schedule, ScheduledWork.Backup)),
        };

    /// <summary>What is left of a schedule of this machine whose definition is not known.</summary>
    internal static BackupSchedule Incomplete(string id, string scheduler, string warning) => new()
    {
        ScheduleId = id,
        IsOwn = true,
        Scheduler = scheduler,
        Warnings = [warning + " Register it anew, or remove it with Unregister-NataliaSchedule."],
    };

    /// <summary>The schedule of a hypervisor.</summary>
    internal static BackupSchedule Of(NativeSchedule native, string kind) => new()
    {
        ScheduleId = native.ScheduleId,
        IsOwn = native.IsOwn,
        Scheduler = kind,
        NativeIds = native.NativeIds,
        ApplianceNames = native.ApplianceNames,
        Hypervisor = native.Hypervisor,
        Storage = native.Storage,
        Kind = native.Kind,
        Expression = native.Expression,
        NextRunsUtc = native.NextRunsUtc,
        Retention = native.Retention,
        RetentionSource = native.RetentionSource,
        IsEnabled = native.IsEnabled,
        IncludedDisks = native.IncludedDisks,
        OmittedDisks = native.OmittedDisks,
        WasChanged = native.WasChanged,
        Warnings = native.Warnings,
    };

    /// <summary>The id and the expression.</summary>
    public override string ToString() => $"{ScheduleId} ({Expression})";
}
