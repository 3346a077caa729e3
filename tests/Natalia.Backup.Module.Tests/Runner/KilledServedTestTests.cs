using System.Diagnostics;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>A restore test from the repository whose process is killed: its VM outlives it, without disks.</summary>
public sealed class KilledServedTestTests : IDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(2);

    private readonly string _folder = Directory.CreateTempSubdirectory("natalia-killed-").FullName;

    private string In(string name) => Path.Combine(_folder, name);

    [QemuFact]
    public async Task What_it_left_is_destroyed_by_the_next_one()
    {
        Directory.CreateDirectory(In("vms/natalia-lost"));
        Directory.CreateDirectory(In("bench"));
        await File.WriteAllBytesAsync(In("vms/natalia-lost/system.raw"), RepositoryFixture.Disk(1 << 20, 1));
        await File.WriteAllBytesAsync(In("vms/natalia-lost/data.raw"), RepositoryFixture.Disk(1 << 20, 2));
        await File.WriteAllTextAsync(In("vms/natalia-lost/vm.json"), """
            { "name": "natalia-lost", "memoryBytes": 268435456, "disks": [ { "id": "system", "path": "system.raw", "role": "System" },
              { "id": "data", "path": "data.raw", "role": "Data" } ] }
            """);
        string connect = $"""
            $null = Connect-NataliaHypervisor -Folder '{In("vms")}' -Name exports
            $null = Connect-NataliaHypervisor -Qemu '{In("bench")}' -Name bench

            """;
        using (RunnerProcess killed = RunnerProcess.Start("-c", connect + $"""
            $null = New-NataliaRepository -Name local -Path '{In("repository")}' -Unencrypted
            $null = Invoke-NataliaBackup natalia-lost -Hypervisor exports -IncludeSystemDisk
            Test-NataliaRestore natalia-lost -TestBench bench -FromRepository
            """))
        {
            for (var since = Stopwatch.StartNew(); !Directory.EnumerateFiles(In("bench"), "monitor.sock",
                SearchOption.AllDirectories).Any() && since.Elapsed < s_limit;)
                await Task.Delay(50);
            await killed.KillAsync();
        }
        Assert.NotEmpty(Directory.EnumerateFileSystemEntries(In("bench")));

        // A network that is not there ends the next test before it has made anything.
        RunnerProcess.Result next = await RunnerProcess.RunAsync("-c", connect + $"""
            $null = Connect-NataliaRepository -Name local -Path '{In("repository")}' -Unencrypted
            Test-NataliaRestore natalia-lost -TestBench bench -FromRepository -IsolatedNetwork elsewhere
            """);
        Assert.Contains("had left the test VM", next.Output + next.Error, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(In("bench")));
        Assert.DoesNotContain(Process.GetProcesses(), p => CommandLine(p.Id).Contains(In("bench"),
            StringComparison.Ordinal));
    }

    private static string CommandLine(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/cmdline");
        }
        catch (IOException)
        {
            return "";
        }
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
