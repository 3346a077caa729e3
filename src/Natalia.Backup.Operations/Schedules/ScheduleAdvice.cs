using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Profiles;
using Natalia.Backup.Operations.Schedules.Model;

namespace Natalia.Backup.Operations.Schedules;

/// <summary>What fits together in a schedule and its profile, and what somebody should know. Pure.</summary>
internal static class ScheduleAdvice
{
    /// <summary>Refuses a schedule whose runs could do nothing, or not all of it.</summary>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>.</exception>
    internal static void EnsureFits(ScheduleDefinition schedule, ProfileDocument profile)
    {
        if (profile.Hypervisors.Count == 0 || profile.Repositories.Count == 0)
            throw Invalid($"the profile '{schedule.ProfilePath}' names no "
                + (profile.Hypervisors.Count == 0 ? "hypervisor" : "repository") + ", so nothing could be backed up",
                schedule.ProfilePath);
        foreach (string name in schedule.CopyTo)
        {
            RepositoryConnectionSettings destination = profile.Repositories.FirstOrDefault(r => Is(r.Name, name))
                ?? throw Invalid($"the profile '{schedule.ProfilePath}' has no repository '{name}' to copy to", name);
            if (destination is not StoreSettings)
                throw Invalid($"the repository '{name}' is a hypervisor's own storage, and takes no copies", name);
            if (profile.Repositories.Count == 1)
                throw Invalid($"the profile '{schedule.ProfilePath}' has no repository besides '{name}' to copy from",
                    name);
        }
        if (schedule.TestBench is string bench && !profile.Hypervisors.Any(h => Is(h.Name, bench)))
            throw Invalid($"the profile '{schedule.ProfilePath}' has no hypervisor '{bench}' to test on", bench);
    }

    /// <summary>What is no error, and may yet make the runs fail.</summary>
    /// <param name="schedule">The schedule.</param>
    /// <param name="profile">Its profile.</param>
    /// <param name="isWindows">Whether Windows runs it.</param>
    /// <param name="home">The folder of the user who registers it.</param>
    /// <param name="isOtherAccount">Whether another account than this user's runs it.</param>
    /// <param name="isFixedDrive">Whether a drive letter is that of a disk of this machine.</param>
    internal static IReadOnlyList<string> Warnings(ScheduleDefinition schedule, ProfileDocument profile, bool isWindows,
        string home, bool isOtherAccount, Func<char, bool> isFixedDrive)
    {
        var warnings = new List<string>();
        string account = schedule.Account ?? (isWindows ? "SYSTEM" : "root");
        string[] own = [.. new[] { schedule.ProfilePath, schedule.Script, schedule.SecretScript, schedule.LogFolder }
            .OfType<string>()];
        foreach (string path in own.Concat(profile.Hypervisors.Concat<ConnectionSettings>(profile.Repositories)
            .Select(PathOf).OfType<string>()).Distinct())
        {
            if (isWindows && path.Length > 1 && path[1] == ':' && !isFixedDrive(path[0]))
                warnings.Add($"'{path}' is on a drive letter that is no disk of this machine. Tasks run in session 0, "
                    + "which has none of a user's network drives: write the share, \\\\server\\share, instead.");
        }
        if (isOtherAccount && home.Length > 1)
        {
            foreach (string path in own.Where(p => p.StartsWith(home, isWindows
                ? StringComparison.OrdinalIgnoreCase
                : StringComparison.Ordinal)))
                warnings.Add($"'{path}' lies in your own folder; make sure that the account '{account}' may read it, "
                    + "or put it where everybody can.");
        }
        string[] secrets = [.. profile.Describe(schedule.ProfilePath).SecretNames.Where(s => s.Length > 0)];
        if (secrets.Length > 0 && schedule.SecretScript is null)
            warnings.Add($"The runs ask Get-Secret for {string.Join(", ", secrets.Select(s => $"'{s}'"))}"
                + $"{(isOtherAccount ? $" as the account '{account}'" : "")}. A vault of a user belongs to that user "
                + "alone" + (isWindows ? ", and some vaults are not there in session 0" : "")
                + ": set one up for the account, or give -SecretScript. Test-NataliaPrerequisite -AsScheduled tries "
                + "it.");
        if (schedule.QuarterlyRestoreTest && profile.Hypervisors.All(h => h is FolderHypervisorSettings))
            warnings.Add("None of the profile's hypervisors can start a VM, so the restore tests will fail: connect "
                + "one that can, and export the profile anew.");
        if (profile.Hypervisors.All(h => h is ProxmoxSettings))
            warnings.Add("Proxmox VE starts backups by itself, also when this machine is off: Register-NataliaSchedule "
                + "-Appliance … -Repository … makes its own job.");
        return warnings;
    }

    private static string? PathOf(ConnectionSettings settings) => settings switch
    {
        FolderHypervisorSettings folder => folder.Path,
        QemuSettings qemu => qemu.Path,
        FolderStoreSettings store => store.Path,
        _ => null,
    };

    private static bool Is(string name, string wanted) =>
        string.Equals(name, wanted, StringComparison.OrdinalIgnoreCase);

    private static NataliaException Invalid(string why, string target) =>
        new(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument, $"Nothing was registered: {why}.", target,
            "Export-NataliaProfile writes a profile of what is connected.");
}
