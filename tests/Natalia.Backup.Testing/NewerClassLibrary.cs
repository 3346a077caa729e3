using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Security.Cryptography;

namespace System.Threading.Tasks
{
    internal sealed class TaskCompletionSource(TaskCreationOptions options)
    {
        private readonly TaskCompletionSource<bool> _inner = new(options);

        public TaskCompletionSource() : this(TaskCreationOptions.None)
        {
        }

        internal Task Task => _inner.Task;
        internal void SetResult() => _inner.SetResult(true);
        internal bool TrySetResult() => _inner.TrySetResult(true);
    }
}

namespace System.Threading.Tasks
{
    internal static class NewerTask
    {
        internal static async Task WaitAsync(this Task task, TimeSpan limit)
        {
            if (await Task.WhenAny(task, Task.Delay(limit)).ConfigureAwait(false) != task) throw new TimeoutException();
            await task.ConfigureAwait(false);
        }

        internal static async Task<T> WaitAsync<T>(this Task<T> task, TimeSpan limit)
        {
            await ((Task)task).WaitAsync(limit).ConfigureAwait(false);
            return await task.ConfigureAwait(false);
        }
    }
}

namespace System.Globalization
{
    internal static class ISOWeek
    {
        internal static int GetYear(DateTime date) => Thursday(date).Year;
        internal static int GetWeekOfYear(DateTime date) => (Thursday(date).DayOfYear - 1) / 7 + 1;
        private static DateTime Thursday(DateTime date) => date.Date.AddDays(3 - ((int)date.DayOfWeek + 6) % 7);
    }
}

namespace System.IO
{
    [Flags]
    internal enum UnixFileMode
    {
        None = 0,
        UserWrite = 0x80,
        UserRead = 0x100,
    }
}

namespace System.Collections.Generic
{
    internal sealed class ReferenceEqualityComparer : IEqualityComparer<object?>
    {
        internal static ReferenceEqualityComparer Instance { get; } = new();
        bool IEqualityComparer<object?>.Equals(object? x, object? y) => ReferenceEquals(x, y);
        int IEqualityComparer<object?>.GetHashCode(object? obj) => RuntimeHelpers.GetHashCode(obj);
    }

    internal static class KeyValuePair
    {
        internal static KeyValuePair<TKey, TValue> Create<TKey, TValue>(TKey key, TValue value) => new(key, value);
    }
}

namespace System
{
    // Of its own: two extensions of one name and signature cannot share a class.
    internal static class NewerDirectory
    {
        extension(Directory)
        {
            internal static void CreateSymbolicLink(string path, string target) =>
                File.CreateSymbolicLink(path, target);
        }
    }

    internal static class NewerOperatingSystem
    {
        extension(OperatingSystem)
        {
            internal static bool IsWindows() => RuntimeInformation.IsOSPlatform(OSPlatform.Windows);
            internal static bool IsLinux() => RuntimeInformation.IsOSPlatform(OSPlatform.Linux);
        }
    }

    /// <summary>
    /// What the tests use of .NET 10's class library, for the one of 4.7.2; so that their sources stay as they are.
    /// </summary>
    internal static class NewerClassLibrary
    {
        extension(Environment)
        {
            internal static bool IsPrivilegedProcess => geteuid() == 0;
        }

        extension(DateTime)
        {
            internal static DateTime UnixEpoch => new(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        }

        extension(TimeSpan)
        {
            public static TimeSpan operator *(TimeSpan time, int factor) => TimeSpan.FromTicks(time.Ticks * factor);
        }

        extension(ValueTask)
        {
            internal static ValueTask CompletedTask => default;
        }

        extension(Task task)
        {
            internal bool IsCompletedSuccessfully => task.Status == TaskStatus.RanToCompletion;
        }

        extension(Stopwatch)
        {
            internal static TimeSpan GetElapsedTime(long start) =>
                TimeSpan.FromSeconds((double)(Stopwatch.GetTimestamp() - start) / Stopwatch.Frequency);
        }

        extension(GC)
        {
            // This class library cannot tell; tests of it hold trivially here.
            internal static long GetAllocatedBytesForCurrentThread() => 0;
        }

        extension(Parallel)
        {
            internal static Task ForEachAsync<T>(IEnumerable<T> items, Func<T, CancellationToken, ValueTask> action) =>
                Parallel.ForEachAsync(items, new ParallelOptions(), action);

            internal static Task ForEachAsync<T>(IEnumerable<T> items, ParallelOptions options,
                Func<T, CancellationToken, ValueTask> action)
            {
                var queue = new ConcurrentQueue<T>(items);
                int workers = options.MaxDegreeOfParallelism > 0
                    ? options.MaxDegreeOfParallelism
                    : Environment.ProcessorCount;
                return Task.WhenAll(Enumerable.Range(0, workers).Select(_ => Task.Run(async () =>
                {
                    while (queue.TryDequeue(out T? item)) await action(item, options.CancellationToken);
                })));
            }
        }

        extension(SHA256)
        {
            internal static int HashData(ReadOnlySpan<byte> bytes, Span<byte> hash)
            {
                SHA256.HashData(bytes.ToArray()).CopyTo(hash);
                return 32;
            }

            internal static byte[] HashData(byte[] bytes)
            {
                using SHA256 sha = SHA256.Create();
                return sha.ComputeHash(bytes);
            }

            internal static Task<byte[]> HashDataAsync(Stream stream)
            {
                using SHA256 sha = SHA256.Create();
                return Task.FromResult(sha.ComputeHash(stream));
            }
        }

        extension(string)
        {
            internal static string Join(char separator, IEnumerable<string> parts) =>
                string.Join(separator.ToString(CultureInfo.InvariantCulture), parts);
        }

        extension(Directory)
        {
            internal static DirectoryInfo CreateTempSubdirectory(string prefix) =>
                Directory.CreateDirectory(Path.Combine(Path.GetTempPath(), prefix + Guid.NewGuid().ToString("N")));
        }

        extension(File)
        {
            internal static void CreateSymbolicLink(string path, string target) => Link(path, target);
            internal static void SetUnixFileMode(string path, UnixFileMode mode) => Check(chmod(path, (uint)mode));

            internal static UnixFileMode GetUnixFileMode(string path)
            {
                var start = new ProcessStartInfo("stat",
                    $"-c %a \"{path}\"")
                { RedirectStandardOutput = true, UseShellExecute = false };
                using Process process = Process.Start(start);
                return (UnixFileMode)Convert.ToInt32(process.StandardOutput.ReadToEnd().Trim(), 8);
            }

            internal static void Move(string from, string to, bool overwrite)
            {
                if (overwrite) Check(rename(from, to));
                else File.Move(from, to);
            }
        }

        extension(Process)
        {
            internal static Process Start(string program, IEnumerable<string> arguments) =>
                Process.Start(new ProcessStartInfo(program, Quoted(arguments)) { UseShellExecute = false });
        }

        internal static IEnumerable<T> TakeLast<T>(this IEnumerable<T> items, int count)
        {
            T[] all = items.ToArray();
            return all.Skip(Math.Max(0, all.Length - count));
        }

        internal static IEnumerable<T> SkipLast<T>(this IEnumerable<T> items, int count)
        {
            T[] all = items.ToArray();
            return all.Take(Math.Max(0, all.Length - count));
        }

        internal static IEnumerable<T> Order<T>(this IEnumerable<T> items, IComparer<T>? comparer = null) =>
            items.OrderBy(i => i, comparer);

        internal static T? MaxBy<T, TKey>(this IEnumerable<T> items, Func<T, TKey> key) =>
            items.OrderByDescending(key).FirstOrDefault();

        internal static IEnumerable<(TFirst First, TSecond Second)> Zip<TFirst, TSecond>(this IEnumerable<TFirst> first,
            IEnumerable<TSecond> second) =>
            first.Zip(second, (a, b) => (a, b));

        internal static bool TryAdd<TKey, TValue>(this Dictionary<TKey, TValue> map, TKey key, TValue value)
        {
            if (map.ContainsKey(key)) return false;
            map.Add(key, value);
            return true;
        }

        internal static void Deconstruct<TKey, TValue>(this KeyValuePair<TKey, TValue> pair, out TKey key,
            out TValue value) =>
            (key, value) = (pair.Key, pair.Value);

        internal static string Replace(this string text, string old, string fresh, StringComparison comparison) =>
            comparison == StringComparison.Ordinal ? text.Replace(old, fresh) : throw new NotSupportedException();

        internal static string[] Split(this string text, string separator) =>
            text.Split([separator], StringSplitOptions.None);

        internal static Span<T> AsSpan<T>(this T[] items, Range range)
        {
            int start = range.Start.GetOffset(items.Length);
            return items.AsSpan(start, range.End.GetOffset(items.Length) - start);
        }

        internal static void NextBytes(this Random random, Span<byte> bytes)
        {
            var drawn = new byte[bytes.Length];
            random.NextBytes(drawn);
            drawn.CopyTo(bytes);
        }

        internal static void Shuffle<T>(this Random random, T[] items)
        {
            for (int i = items.Length - 1; i > 0; i--)
            {
                int other = random.Next(i + 1);
                (items[i], items[other]) = (items[other], items[i]);
            }
        }

        internal static void Write(this Stream stream, byte[] bytes) => stream.Write(bytes, 0, bytes.Length);

        internal static async ValueTask<int> ReadAsync(this Stream stream, Memory<byte> buffer,
            CancellationToken cancellationToken)
        {
            var bytes = new byte[buffer.Length];
            int read = await stream.ReadAsync(bytes, 0, bytes.Length, cancellationToken);
            bytes.AsSpan(0, read).CopyTo(buffer.Span);
            return read;
        }

        internal static async IAsyncEnumerable<T> Where<T>(this IAsyncEnumerable<T> items, Func<T, bool> wanted)
        {
            await foreach (T item in items)
            {
                if (wanted(item)) yield return item;
            }
        }

        private static string Quoted(IEnumerable<string> arguments) =>
            string.Join(" ", arguments.Select(a => $"\"{a}\""));

        private static void Link(string path, string target) => Check(symlink(target, path));

        private static void Check(int result)
        {
            if (result != 0) throw new IOException($"errno {Marshal.GetLastWin32Error()}");
        }

        [DllImport("libc")]
        private static extern uint geteuid();
        [DllImport("libc", SetLastError = true)]
        private static extern int symlink(string target, string path);
        [DllImport("libc", SetLastError = true)]
        private static extern int chmod(string path, uint mode);
        [DllImport("libc", SetLastError = true)]
        private static extern int rename(string from, string to);
    }
}
