using System.Diagnostics;
using System.Security;
using Natalia.Backup.Engine.Core;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Engine.Sealing;
using Natalia.Backup.Engine.Storage;
using Natalia.Backup.Engine.Storage.Folders;
using Natalia.Backup.Engine.Storage.Wrappers;

namespace Natalia.Backup.Benchmarks;

/// <summary>An encrypted repository in a folder of its own, whose requests are counted.</summary>
internal sealed class Workplace : IDisposable
{
    private readonly string _folder;

    internal Workplace(string? folder)
    {
        _folder = Path.Combine(folder ?? Path.GetTempPath(), "natalia-benchmark-" + Environment.ProcessId);
        Directory.CreateDirectory(_folder);
    }

    internal static ApplianceDescription Appliance { get; } = new()
    {
        ApplianceId = ApplianceIdentity.Create("Folder", "", "benchmark"),
        Name = "benchmark",
        HypervisorKind = "Folder",
        Disks = [new ApplianceDisk("data", DiskRole.Data, null)],
    };

    internal CountingStore Store { get; private set; } = null!;

    internal async Task<Repository> OpenAsync(bool create = false)
    {
        var password = new SecureString();
        foreach (char c in "benchmark") password.AppendChar(c);
        Store = new CountingStore(FolderStore.Open(Path.Combine(_folder, "repository"), create));
        var options = new RepositoryOptions { Label = "benchmark", LockDirectory = Path.Combine(_folder, "locks") };
        return create
            ? await Repository.CreateAsync(Store, RepositoryPassword.From(password), options, default)
            : await Repository.OpenAsync(Store, RepositoryPassword.From(password), options, default);
    }

    /// <summary>Runs something once and prints how long it took and what it asked of the store.</summary>
    internal async Task<T> MeasureAsync<T>(string what, Func<Task<T>> work)
    {
        StoreUsage before = Store.Usage;
        var watch = Stopwatch.StartNew();
        T result = await work();
        double seconds = watch.Elapsed.TotalSeconds;
        StoreUsage used = Store.Usage.Since(before);
        Console.WriteLine($"{what,-48} {seconds,8:F2} s  {used.Requests,8:N0} requests  "
            + $"{used.BytesRead / 1048576.0,8:F1} MiB read  {used.BytesWritten / 1048576.0,8:F1} MiB written  "
            + $"{Process.GetCurrentProcess().PeakWorkingSet64 >> 20,5} MiB memory");
        return result;
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
