using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Cmdlets.Tests.Schedules;

/// <summary>A schedule to work with.</summary>
internal static class Sample
{
    internal static ScheduleDefinition Schedule { get; } = new()
    {
        Name = "nightly",
        ProfilePath = "/etc/natalia/profile.json",
        Kind = ScheduleKind.SixHourly,
        At = "01:00",
        CopyTo = ["offsite"],
        QuarterlyRestoreTest = true,
        Program = "/bin/true",
        Script = "/opt/natalia/Natalia.Backup.ScheduledRun.ps1",
    };

    /// <summary>As it is on a Windows machine.</summary>
    internal static ScheduleDefinition Windows { get; } = Schedule with
    {
        ProfilePath = @"C:\ProgramData\natalia.json",
        Program = @"C:\Program Files\PowerShell\7\pwsh.exe",
        Script = @"C:\Program Files\PowerShell\Modules\Natalia.Backup\Natalia.Backup.ScheduledRun.ps1",
    };

    /// <summary>With every character that some syntax on the way gives a meaning.</summary>
    internal const string Hostile = "/srv/a b/100% \"$HOME\" %h ${x} '\\\\back\\' ;&|<>`\u00fc\u202e/p.json";
}
