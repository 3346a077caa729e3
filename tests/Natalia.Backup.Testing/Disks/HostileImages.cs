using System.Diagnostics;
using System.Runtime.CompilerServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Engine.Disks;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Testing.Disks;

/// <summary>
/// Breaks valid images at random, the same way in each run, and reads them: the end is a disk or an error of the
/// product, soon, and without memory in proportion to what the file claims.
/// </summary>
public static class HostileImages
{
    /// <summary>
    /// Four times what the worst of these rounds takes (1,032,928 bytes, buffers of the reading included), and far less
    /// than what files claim.
    /// </summary>
    private const long MostAllocated = 4L << 20;

    private static readonly TimeSpan s_most = TimeSpan.FromSeconds(20);

    private static readonly HashSet<string> s_errors = new(StringComparer.Ordinal)
    {
        ErrorIds.DiskImageInvalid, ErrorIds.DiskFormatNotSupported, ErrorIds.DiskParentNotFound,
        ErrorIds.DiskReadFailed, ErrorIds.DiskChangedWhileRead, ErrorIds.PathNotContained,
    };

    /// <summary>Values that counts, offsets and sizes are broken with.</summary>
    private static readonly long[] s_values =
    [
        0, 1, -1, 2, 511, 513, 4095, 65535, 1 << 20, int.MaxValue, int.MinValue, uint.MaxValue, 1L << 40, 1L << 44,
        long.MaxValue, long.MinValue, long.MaxValue - 511, 0x00FFFFFFFFF00006, 0x7FFFFFFFFFF00007,
    ];

    /// <summary>Reads broken copies of an image; all errors but those of the product are failures.</summary>
    /// <param name="image">A valid one.</param>
    /// <param name="places">Where its structures lie: the beginning and the length of each.</param>
    /// <param name="open">Opens a file.</param>
    /// <param name="rounds">How many copies are broken.</param>
    /// <param name="seal">Gives structures their right checksums again, so that what is broken inside is looked at;
    /// null where there are none. It is called in every other round.</param>
    public static async Task CheckAsync(byte[] image, IReadOnlyList<(int At, int Length)> places,
        Func<IDiskSource, CancellationToken, Task<IDiskSource>> open, int rounds = 400, Action<byte[]>? seal = null)
    {
        int opened = 0;
        for (int round = 0; round < rounds; round++)
        {
            byte[] broken = [.. image];
            var random = new Random(round);
            string what = Break(broken, places, random);
            if (seal is not null && round % 2 == 0) seal(broken);
            if (random.Next(6) == 0)
            {
                int length = random.Next(broken.Length);
                Array.Resize(ref broken, length);
                what += $", cut to {length} bytes";
            }
            string name = $"round {round}: {what}";
            using var limit = new CancellationTokenSource(s_most);
            var clock = Stopwatch.StartNew();
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                using IDiskSource disk = await open(new BoundedDiskSource(broken), limit.Token);
                opened++;
                await ReadSomeAsync(disk, random, limit.Token);
            }
            catch (NataliaException e)
            {
                Assert.True(s_errors.Contains(e.ErrorId), $"{name}: {e.ErrorId} {e.Message}");
            }
            catch (Exception e)
            {
                Assert.Fail($"{name}: after {clock.Elapsed}: {e}");
            }
            long allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            Assert.True(allocated < MostAllocated, $"{name}: {allocated} bytes were allocated");
        }
        // Else nothing was tested but the first check.
        Assert.InRange(opened, 1, rounds - 1);
    }

    private static string Break(byte[] image, IReadOnlyList<(int At, int Length)> places, Random random)
    {
        var what = new List<string>();
        for (int i = random.Next(1, 4); i > 0; i--)
        {
            (int at, int length) = places[random.Next(places.Count)];
            int offset = at + random.Next(length);
            switch (random.Next(4))
            {
                case 0:
                    image[offset] ^= (byte)(1 << random.Next(8));
                    what.Add($"a bit at {offset}");
                    break;
                case 1:
                    image[offset] = (byte)random.Next(256);
                    what.Add($"a byte at {offset}");
                    break;
                default:
                    // Most fields are aligned.
                    offset = at + random.Next(length / 4) * 4;
                    byte[] value = BitConverter.GetBytes(s_values[random.Next(s_values.Length)]);
                    if (random.Next(2) == 0) Array.Reverse(value);
                    int size = random.Next(2) == 0 ? 4 : 8;
                    for (int b = 0; b < size && offset + b < image.Length; b++) image[offset + b] = value[b];
                    what.Add($"{size} bytes {BitConverter.ToString(value)} at {offset}");
                    break;
            }
        }
        return string.Join(", ", what);
    }

    /// <summary>Both ends, some of the middle, and the first extents; a disk of exabytes is not read whole.</summary>
    private static async Task ReadSomeAsync(IDiskSource disk, Random random, CancellationToken cancellationToken)
    {
        Assert.InRange(disk.SizeBytes, 0, 1L << 47);
        var buffer = new byte[64 * 1024];
        for (int i = 0; i < 8 && disk.SizeBytes > 0; i++)
        {
            int length = (int)Math.Min(buffer.Length, disk.SizeBytes);
            long most = disk.SizeBytes - length;
            long at = i == 0 ? 0 : i == 1 ? most : (long)(random.NextDouble() * most);
            try
            {
                await disk.ReadAsync(at, buffer.AsMemory(0, length), cancellationToken);
            }
            catch (NataliaException e) when (s_errors.Contains(e.ErrorId))
            {
                // The rest may be readable.
            }
        }
        int extents = 0;
        long end = -1;
        await foreach (Extent extent in disk.GetAllocatedExtentsAsync(cancellationToken))
        {
            Assert.True(extent.Offset > end && extent.Length > 0 && extent.End <= disk.SizeBytes);
            end = extent.End;
            if (++extents == 1000) break;
        }
    }
}

/// <summary>
/// A file in memory that tells of reads outside of it, as a file in a folder would. All of it happens on the caller's
/// thread, so that what it allocates can be counted.
/// </summary>
public sealed class BoundedDiskSource(byte[] bytes) : IDiskSource
{
    public long SizeBytes => bytes.Length;

    public async IAsyncEnumerable<Extent> GetAllocatedExtentsAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await default(ValueTask);
        if (bytes.Length > 0) yield return new Extent(0, bytes.Length);
    }

    public ValueTask ReadAsync(long offset, Memory<byte> buffer, CancellationToken cancellationToken)
    {
        Assert.True(offset >= 0 && offset <= SizeBytes - buffer.Length,
            $"{buffer.Length} bytes were read at {offset} of a file of {SizeBytes}");
        bytes.AsMemory((int)offset, buffer.Length).CopyTo(buffer);
        return default;
    }

    public void Dispose() { }
}
