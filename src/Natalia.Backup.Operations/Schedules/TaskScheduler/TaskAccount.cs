using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Schedules.TaskScheduler;

/// <summary>How the service logs an account on; TASK_LOGON_TYPE of taskschd.h.</summary>
internal enum TaskLogon
{
    /// <summary>With its password, or, for a group managed service account, with one that the domain keeps.</summary>
    Password = 1,
    /// <summary>One of the system's own accounts.</summary>
    ServiceAccount = 5,
}

/// <summary>The account of a task. Pure.</summary>
/// <param name="UserId">As the task's XML names it.</param>
/// <param name="Logon">How it is logged on.</param>
/// <param name="NeedsPassword">Whether the service must be given its password.</param>
internal sealed record TaskAccount(string UserId, TaskLogon Logon, bool NeedsPassword)
{
    internal const string LocalSystem = "S-1-5-18";

    /// <summary>Whose names differ by language on old systems: they are written as their ids.</summary>
    private static readonly Dictionary<string, string> s_service = new(StringComparer.OrdinalIgnoreCase)
    {
        ["SYSTEM"] = LocalSystem,
        [@"NT AUTHORITY\SYSTEM"] = LocalSystem,
        [LocalSystem] = LocalSystem,
        ["LOCAL SERVICE"] = "S-1-5-19",
        [@"NT AUTHORITY\LOCAL SERVICE"] = "S-1-5-19",
        ["S-1-5-19"] = "S-1-5-19",
        ["NETWORK SERVICE"] = "S-1-5-20",
        [@"NT AUTHORITY\NETWORK SERVICE"] = "S-1-5-20",
        ["S-1-5-20"] = "S-1-5-20",
    };

    /// <summary>What the name of an account means.</summary>
    /// <param name="name"><c>DOMAIN\name</c> or <c>name@domain</c>; a name that ends with <c>$</c> is a group managed
    /// service account; null for the local system.</param>
    internal static TaskAccount Of(string? name) => name is null ? new(LocalSystem, TaskLogon.ServiceAccount, false)
        : s_service.TryGetValue(name, out string? id) ? new(id, TaskLogon.ServiceAccount, false)
        : new(name, TaskLogon.Password, !name.EndsWith("$", StringComparison.Ordinal));

    /// <summary>Refuses an account that could not be logged on.</summary>
    /// <param name="hasPassword">Whether a password was given.</param>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>.</exception>
    internal void EnsureUsable(bool hasPassword)
    {
        string? why = UserId.Length == 0 || UserId.Any(char.IsControl) ? "the name of the account is none"
            : NeedsPassword && !hasPassword ? $"the account '{UserId}' needs its password"
            : !NeedsPassword && hasPassword ? $"the account '{UserId}' has no password that anybody could give" : null;
        if (why is not null)
            throw new NataliaException(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument,
                $"Nothing was registered: {why}.", UserId,
                "Give -Credential for an account with a password, and -Account for a group managed service account "
                + "(DOMAIN\\name$) or SYSTEM.");
    }
}
