using System.Security;
using Natalia.Backup.Cmdlets.Tests.Schedules;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Schedules.Model;
using Natalia.Backup.Operations.Schedules.TaskScheduler;

namespace Natalia.Backup.Hypervisors.Mono;

/// <summary>
/// A schedule of Windows' Task Scheduler from its registration to its end, in the tests' stand-in of the service.
/// Writes what it saw, a line each, and what the tasks are into files.
/// </summary>
internal static class ScheduleRun
{
    /// <param name="folder">Where the tasks are written to.</param>
    internal static async Task RunAsync(string folder)
    {
        var service = new TaskServiceStandIn();
        var scheduler = new TaskSchedulerScheduler(service, TimeProvider.System, folder);
        ScheduleDefinition schedule = Sample.Windows with { Account = @"CONTOSO\natalia$" };
        BackupSchedule made = await scheduler.RegisterAsync(schedule, null, default);
        Console.WriteLine($"made {made.WasChanged}: {made.Expression} as {made.Account}");
        foreach (RegisteredTask task in service.List())
            File.WriteAllText(Path.Combine(folder, task.Name + ".xml"), task.Xml);
        Console.WriteLine($"again {(await scheduler.RegisterAsync(schedule, null, default)).WasChanged}");

        service.Set(schedule.ScheduleId, t => t with { Xml = t.Xml.Replace("<DaysInterval>1<", "<DaysInterval>7<") });
        (BackupSchedule listed, ScheduleDefinition? read) = (await scheduler.ListAsync(default)).Single();
        Console.WriteLine($"told {listed.Warnings[0]}");
        Console.WriteLine($"read {read!.ToMark() == schedule.ToMark()}");

        using var password = new SecureString();
        foreach (char c in "correct horse") password.AppendChar(c);
        service.Passwords.Clear();
        await scheduler.RegisterAsync(schedule with { Account = @"CONTOSO\anna" }, password, default);
        Console.WriteLine($"passwords {string.Join(", ", service.Passwords)}");
        Console.WriteLine($"shown {service.List().Any(t => t.Xml.Contains("horse"))}");

        service.Refuse(0, unchecked((int)0x80070005));
        try
        {
            await scheduler.RegisterAsync(schedule with { At = "05:00" }, null, default);
        }
        catch (NataliaException e)
        {
            Console.WriteLine($"refused {e.ErrorId}");
        }
        await scheduler.RemoveAsync(schedule.ScheduleId, default);
        Console.WriteLine($"left {service.List().Count}");
    }
}
