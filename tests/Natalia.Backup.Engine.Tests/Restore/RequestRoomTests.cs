using System.Runtime.InteropServices;
using Natalia.Backup.Engine.Restore;

namespace Natalia.Backup.Engine.Tests.Restore;

public sealed class RequestRoomTests
{
    [Fact]
    public void Parts_that_are_in_use_never_overlap_and_what_is_free_is_found_again()
    {
        var random = new Random(3);
        var room = new RequestRoom(1000);
        var inUse = new List<Memory<byte>>();
        int refused = 0;
        for (int i = 0; i < 20_000; i++)
        {
            if (inUse.Count > 0 && random.Next(2) == 0)
            {
                // The oldest; of a request that was split the youngest.
                int at = random.Next(4) == 0 ? inUse.Count - 1 : 0;
                room.Release(inUse[at]);
                inUse.RemoveAt(at);
                continue;
            }
            Memory<byte> part = room.TryTake(random.Next(1, random.Next(2) == 0 ? 1001 : 100));
            if (part.IsEmpty) refused++;
            else inUse.Add(part);
            (int Start, int End)[] parts = [.. inUse.Select(Place).Order()];
            Assert.All(parts, p => Assert.InRange(p.End, p.Start + 1, 1000));
            for (int k = 1; k < parts.Length; k++) Assert.True(parts[k - 1].End <= parts[k].Start);
        }
        Assert.InRange(refused, 100, 19_000);
        foreach (Memory<byte> part in inUse) room.Release(part);
        Assert.Equal(1000, room.TryTake(1000).Length);
    }

    [Fact]
    public void What_was_not_taken_here_is_let_go()
    {
        var room = new RequestRoom(100);
        Memory<byte> all = room.TryTake(100);
        Assert.True(room.TryTake(1).IsEmpty);
        room.Release(new byte[100]);
        Assert.True(room.TryTake(1).IsEmpty);
        room.Release(all);
        Assert.False(room.TryTake(1).IsEmpty);
    }

    private static (int Start, int End) Place(Memory<byte> part)
    {
        Assert.True(MemoryMarshal.TryGetArray(part, out ArraySegment<byte> segment));
        return (segment.Offset, segment.Offset + segment.Count);
    }
}
