using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.Systemd;
using Natalia.Backup.Operations.Schedules.TaskScheduler;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>What starts runs on this machine.</summary>
internal static class Schedulers
{
    private const string SystemFolder = "/etc/systemd/system";

    private static readonly ConditionalWeakTable<SessionRegistry, IScheduler> s_others = new();

    /// <summary>Whether this process is root, and so registers for the system.</summary>
    internal static bool IsSystem =>
#if NET8_0_OR_GREATER
        Environment.IsPrivilegedProcess;
#else
        Environment.UserName == "root";
#endif

    /// <summary>
    /// The scheduler that the commands of a session work with: this machine's, or the one that took its place there.
    /// </summary>
    /// <param name="session">The session.</param>
    /// <param name="unitFolder">As in <see cref="ForThisMachine"/>.</param>
    /// <param name="clock">The time.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>, <c>SchedulerNotAvailable</c>.</exception>
    internal static IScheduler For(SessionRegistry session, string? unitFolder, TimeProvider clock) =>
        unitFolder is null && s_others.TryGetValue(session, out IScheduler? other)
            ? other
            : ForThisMachine(unitFolder, clock);

    /// <summary>Gives a session another scheduler than this machine's: one with a service of one's own.</summary>
    internal static void Replace(SessionRegistry session, IScheduler scheduler)
    {
        s_others.Remove(session);
        s_others.Add(session, scheduler);
    }

    /// <summary>The scheduler of this machine.</summary>
    /// <param name="unitFolder">A folder for systemd's unit files in place of the one that this machine's systemd
    /// reads; null for that one.</param>
    /// <param name="clock">The time.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>, <c>SchedulerNotAvailable</c>.</exception>
    internal static IScheduler ForThisMachine(string? unitFolder, TimeProvider clock)
    {
        if (RuntimeInformation.IsOSPlatform(OSPlatform.Windows))
        {
            if (unitFolder is not null)
                throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                    "Unit files are systemd's, and this is Windows.", unitFolder, "Leave -UnitFolder out.");
            return new TaskSchedulerScheduler(new ComTaskService(), clock, Path.Combine(DataFolder, "probes"));
        }
        if (!RuntimeInformation.IsOSPlatform(OSPlatform.Linux))
            throw new NataliaException(ErrorIds.SchedulerNotAvailable, NataliaErrorKind.NotSupported,
                "Schedules are tasks of Windows or timers of systemd; this machine has neither.", null,
                "Let cron or launchd run the line that docs/schedules.md gives.");
        return unitFolder is not null
            ? new SystemdScheduler(unitFolder, IsSystem, null, clock)
            : new SystemdScheduler(IsSystem ? SystemFolder : UserFolder, IsSystem, new SystemdControl(IsSystem), clock);
    }

    /// <summary>Where runs of tasks write their logs when nobody says where; null on systemd, which keeps a
    /// journal.</summary>
    internal static string? DefaultLogFolder => RuntimeInformation.IsOSPlatform(OSPlatform.Windows)
        ? Path.Combine(DataFolder, "logs")
        : null;

    private static string DataFolder =>
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "Natalia.Backup");

    /// <summary>Where a user's own systemd looks first; systemd.unit(5).</summary>
    private static string UserFolder
    {
        get
        {
            string? configuration = Environment.GetEnvironmentVariable("XDG_CONFIG_HOME");
            if (string.IsNullOrEmpty(configuration))
                configuration = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile,
                    Environment.SpecialFolderOption.DoNotVerify), ".config");
            return Path.Combine(configuration!, "systemd", "user");
        }
    }
}
