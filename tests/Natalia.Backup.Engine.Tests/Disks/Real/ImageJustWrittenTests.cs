using System.Diagnostics;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Testing;

namespace Natalia.Backup.Engine.Tests.Disks.Real;

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
        Task starting = Task.Factory.StartNew(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                using Process program = Process.Start(new ProcessStartInfo("/bin/true"))!;
                program.WaitForExit();
            }
        }, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
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
            await starting;
        }
    }
}
