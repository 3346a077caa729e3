using System.Reflection;
using System.Runtime.Versioning;
using System.Security;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Mono;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Hypervisors.Proxmox.Rest;
using Natalia.Backup.Testing;

// Usage: hyperv PORT FOLDER, or: schedules FOLDER, or: hosts user secret [pin,pin...] [authority file] [action].
// Writes what it saw, one line each; a NataliaException becomes its id and message.
Console.WriteLine($"# Mono {Environment.Version}, "
    + $"{typeof(ProxmoxHypervisor).Assembly.GetCustomAttribute<TargetFrameworkAttribute>()!.FrameworkName}, "
    + $"{Transport()}");
try
{
    if (args[0] == "hyperv")
    {
        await HyperVRun.RunAsync(int.Parse(args[1]), args[2]);
        return MonoExit.With(0);
    }
    if (args[0] == "schedules")
    {
        await ScheduleRun.RunAsync(args[1]);
        return MonoExit.With(0);
    }
    using var secret = new SecureString();
    foreach (char c in args[2]) secret.AppendChar(c);
    using ProxmoxHypervisor hypervisor = await ProxmoxHypervisor.ConnectAsync(new ProxmoxConnectOptions
    {
        Hosts = args[0].Split(','),
        User = args[1],
        Secret = secret,
        CertificateThumbprints = args[3].Length == 0 ? [] : args[3].Split(','),
        AuthorityFile = args[4].Length == 0 ? null : args[4],
    }, CancellationToken.None);
    Console.WriteLine($"connected {hypervisor.ServerVersion}");
    ApplianceInventory all = await hypervisor.GetAppliancesAsync(CancellationToken.None);
    Console.WriteLine($"appliances {all.Count}");
    INativeRepository repository = await hypervisor.Find<INativeProtection>()!.OpenRepositoryAsync("pbs", "pbs",
        CancellationToken.None);
    if (args.Length > 5 && args[5] == "work")
    {
        ApplianceDescription appliance = all.First(a => a.Name == "natalia-01");
        NativeBackupResult made = await repository.BackupAsync(appliance, new NativeBackupRequest(), null,
            CancellationToken.None);
        Console.WriteLine($"made {made.Point.Type} {made.Point.Consistency}");
        await repository.SetProtectionAsync(made.Point, true, "test", CancellationToken.None);
        await hypervisor.Find<INativeSchedules>()!.SetScheduleAsync(appliance, new NativeScheduleRequest
        {
            Storage = "pbs",
            Retention = new RetentionLimits(Daily: 7),
        }, CancellationToken.None);
        await hypervisor.Find<INativeSchedules>()!.RemoveScheduleAsync("natalia-100", CancellationToken.None);
        await repository.SetApplianceSettingsAsync(appliance, new ApplianceSettings
        {
            ApplianceId = appliance.ApplianceId,
            Name = "ä€ [x]",
            HypervisorKind = "Proxmox",
            IncludeSystemDisk = true,
        }, CancellationToken.None);
        GuestCommandResult ran = await (await hypervisor.Find<IGuestChannel>()!.OpenAsync("100", null,
            TimeSpan.FromMinutes(1), default)).RunAsync(new GuestCommand { Arguments = ["/bin/echo", "a b&c=d+ü"] },
            CancellationToken.None);
        Console.WriteLine($"ran {ran.ExitCode} {ran.Output.Trim()}");
        RestorePoint point = (await repository.GetRestorePointsAsync(new RestorePointFilter(),
            CancellationToken.None)).Single();
        Console.WriteLine($"point {point.IsProtected}");
    }
    Console.WriteLine($"requests {hypervisor.RequestCount}");
    return MonoExit.With(0);
}
catch (NataliaException e)
{
    Console.WriteLine($"error {e.ErrorId}: {e.Message}");
    return MonoExit.With(1);
}

// Which of Mono's transports a handler stands on: the one over HttpWebRequest is what .NET Framework has.
static string Transport()
{
    using var handler = new System.Net.Http.HttpClientHandler();
    return string.Join(" ",
        typeof(System.Net.Http.HttpClientHandler).GetFields(BindingFlags.Instance | BindingFlags.NonPublic)
            .Select(f => f.GetValue(handler)).OfType<System.Net.Http.HttpMessageHandler>().Select(h => h.GetType().Name)
            .DefaultIfEmpty("unknown"));
}
