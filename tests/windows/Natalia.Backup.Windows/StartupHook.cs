using System.Buffers.Binary;
using System.ComponentModel;
using System.Runtime.InteropServices;

#pragma warning disable CA1050, IDE0130 // .NET looks for this name, outside of any namespace.

/// <summary>
/// Lets exceptions of .NET work under Wine. While Wine calls the handler of a stack frame it keeps a record of its own
/// on the thread's list (TEB, ExceptionList). .NET 9 and newer leave such a handler without returning, so the record
/// stays on the list, in a part of the stack that others write on, and the next exception calls what stands there. A
/// vectored handler, which is asked before that list is, cuts the list where a record lies outside of the living stack
/// or names a function that is not Wine's. It is machine code, because an exception can come up where no managed code
/// may run.
/// </summary>
/// <remarks>Named by DOTNET_STARTUP_HOOKS; does nothing on Windows.</remarks>
internal static class StartupHook
{
    private const uint CommitAndReserve = 0x3000, ExecuteReadWrite = 0x40;
    private const int BaseAt = 13, SizeAt = 23;

    // long handler(EXCEPTION_POINTERS*), by Microsoft's convention for x64.
    private static ReadOnlySpan<byte> Code =>
    [
        0x48, 0x8B, 0x51, 0x08,                               //      mov rdx, [rcx + 8]     the context
        0x48, 0x8B, 0x92, 0x98, 0x00, 0x00, 0x00,             //      mov rdx, [rdx + 98h]   its rsp
        0x49, 0xB9, 0, 0, 0, 0, 0, 0, 0, 0,                   //      mov r9, ntdll
        0x49, 0xBA, 0, 0, 0, 0, 0, 0, 0, 0,                   //      mov r10, its size
        0x65, 0x4C, 0x8B, 0x1C, 0x25, 0x30, 0x00, 0x00, 0x00, //      mov r11, gs:[30h]      the TEB, the list first
        0x49, 0x8B, 0x03,                                     // next mov rax, [r11]
        0x48, 0x83, 0xF8, 0xFF,                               //      cmp rax, -1            its end
        0x74, 0x2C,                                           //      je done
        0x48, 0x39, 0xD0,                                     //      cmp rax, rdx
        0x72, 0x20,                                           //      jb cut
        0x65, 0x48, 0x3B, 0x04, 0x25, 0x08, 0x00, 0x00, 0x00, //      cmp rax, gs:[8]        where the stack began
        0x73, 0x15,                                           //      jae cut
        0x4C, 0x8B, 0x40, 0x08,                               //      mov r8, [rax + 8]      the record's function
        0x4D, 0x29, 0xC8,                                     //      sub r8, r9
        0x4D, 0x39, 0xD0,                                     //      cmp r8, r10
        0x73, 0x09,                                           //      jae cut
        0x48, 0x8D, 0x50, 0x01,                               //      lea rdx, [rax + 1]     the next one lies above
        0x49, 0x89, 0xC3,                                     //      mov r11, rax
        0xEB, 0xD2,                                           //      jmp next
        0x49, 0xC7, 0x03, 0xFF, 0xFF, 0xFF, 0xFF,             // cut  mov qword [r11], -1
        0x31, 0xC0,                                           // done xor eax, eax           go on searching
        0xC3,                                                 //      ret
    ];

    public static void Initialize()
    {
        nint wine = NativeLibrary.Load("ntdll");
        if (!NativeLibrary.TryGetExport(wine, "wine_get_version", out _)
            || RuntimeInformation.ProcessArchitecture != Architecture.X64)
            return;
        byte[] code = Code.ToArray();
        BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(BaseAt), wine);
        // The image's size, out of its own header.
        int header = Marshal.ReadInt32(wine, 0x3C);
        BinaryPrimitives.WriteInt64LittleEndian(code.AsSpan(SizeAt), Marshal.ReadInt32(wine, header + 0x50));
        nint memory = VirtualAlloc(0, code.Length, CommitAndReserve, ExecuteReadWrite);
        if (memory == 0) throw new Win32Exception();
        Marshal.Copy(code, 0, memory, code.Length);
        if (AddVectoredExceptionHandler(1, memory) == 0) throw new Win32Exception();
    }

    [DllImport("kernel32", SetLastError = true)]
    private static extern nint VirtualAlloc(nint address, nint size, uint type, uint protection);

    [DllImport("kernel32", SetLastError = true)]
    private static extern nint AddVectoredExceptionHandler(uint first, nint handler);
}
