using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks;

/// <summary>
/// A program that is being started has every file of the one that starts it open, until it runs itself: an image that
/// was written a moment ago looks as if somebody still wrote it.
/// </summary>
public sealed class ImageJustWrittenTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Is_not_in_use_while_other_programs_are_started()
    {
        if (!OperatingSystem.IsLinux()) return;
        using var stop = new CancellationTokenSource();
        Task[] starting = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                using Process program = Process.Start(new ProcessStartInfo("/bin/true"))!;
                program.WaitForExit();
            }
        }))];
        try
        {
            for (int i = 0; i < 200; i++)
            {
                string image = _folder[$"{i}.raw"];
                File.WriteAllBytes(image, new byte[512]);
                RawDiskSource.Open(image).Dispose();
            }
        }
        finally
        {
            stop.Cancel();
            await Task.WhenAll(starting);
        }
    }

    [Fact]
    public void Is_in_use_while_somebody_writes_it()
    {
        if (!OperatingSystem.IsLinux()) return;
        string image = _folder["busy.raw"];
        File.WriteAllBytes(image, new byte[512]);
        using FileStream writing = File.OpenWrite(image);
        Assert.Equal(ErrorIds.DiskInUse, Assert.Throws<NataliaException>(() => RawDiskSource.Open(image)).ErrorId);
    }
}
