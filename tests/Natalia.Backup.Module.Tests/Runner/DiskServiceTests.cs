using Natalia.Backup.Testing;

namespace Natalia.Backup.Module.Tests.Runner;

/// <summary>A restore point as a disk, as a person serves it, for programs of others.</summary>
public sealed class DiskServiceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("natalia-service-").FullName;

    private string File(string name) => Path.Combine(_folder, name);

    [BlockClientFact]
    public async Task A_point_is_read_by_NBD_written_over_by_iSCSI_and_is_as_it_was()
    {
        byte[] image = new byte[40 << 20];
        new Random(1).NextBytes(image.AsSpan(3 << 20, 20 << 20));
        await System.IO.File.WriteAllBytesAsync(File("image.raw"), image);
        using RunnerProcess runner = RunnerProcess.Start(
            Path.Combine(AppContext.BaseDirectory, "Runner", "disk-service.ps1"), File("image.raw"), File("work"));
        string nbd = await UriAsync(runner, "NBD "), iscsi = await UriAsync(runner, "ISCSI ");

        BlockClient.Run(true, "nbdcopy", nbd, File("copied.raw"));
        byte[] copied = await System.IO.File.ReadAllBytesAsync(File("copied.raw"));
        Assert.True(image.AsSpan().SequenceEqual(copied));
        BlockClient.Run(true, "qemu-io", "-f", "raw", iscsi, "-c", "write -P 9 4M 8M", "-c", "flush", "-c",
            "read -P 9 4M 8M");
        await System.IO.File.WriteAllTextAsync(File("work/stop"), "");

        RunnerProcess.Result result = await runner.FinishAsync();
        Assert.True(result.ExitCode == 0, result.Output + result.Error);
        Assert.Contains("ok  dismounted", result.Lines);
        byte[] after = await System.IO.File.ReadAllBytesAsync(File("work/after.raw"));
        Assert.True(image.AsSpan().SequenceEqual(after));
    }

    private static async Task<string> UriAsync(RunnerProcess runner, string name)
    {
        while (await runner.ReadLineAsync() is string line)
        {
            if (line.StartsWith(name, StringComparison.Ordinal)) return line[name.Length..];
        }
        throw new InvalidOperationException($"It ended before it told of {name}.");
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);
}
