// Settings of the embedded PostgreSQL: https://www.postgresql.org/docs/18/runtime-config.html

/** What the server runs with; each is given on the command line and so goes before the files in the data folder. */
export function serverSettings(socketFolder: string): Record<string, string> {
  return {
    listen_addresses: '',
    unix_socket_directories: socketFolder,
    unix_socket_permissions: '0700',
    max_connections: '60',
    // Memory: the whole server is to idle under 300 MB.
    shared_buffers: '128MB',
    huge_pages: 'off',
    work_mem: '8MB',
    maintenance_work_mem: '64MB',
    effective_cache_size: '1GB',
    // Durability is not for sale; the write-ahead log is made cheap instead.
    fsync: 'on',
    wal_compression: 'off',
    wal_buffers: '16MB',
    max_wal_size: '2GB',
    min_wal_size: '128MB',
    checkpoint_timeout: '15min',
    checkpoint_completion_target: '0.9',
    // Fewer processes: reads done by the backend itself instead of three I/O workers, no parallel query, no replication.
    io_method: 'sync',
    max_parallel_workers_per_gather: '0',
    max_logical_replication_workers: '0',
    max_wal_senders: '0',
    // Plans of small queries by the thousand: compiling them costs more than it saves.
    jit: 'off',
    random_page_cost: '1.1',
    autovacuum_max_workers: '2',
    autovacuum_naptime: '30s',
    autovacuum_vacuum_cost_limit: '1000',
    autovacuum_vacuum_scale_factor: '0.05',
    autovacuum_analyze_scale_factor: '0.02',
    // Starting after a crash opens every file of the data folder once, unless one call does for the file system.
    ...(process.platform === 'linux' ? { recovery_init_sync_method: 'syncfs' } : {}),
    timezone: 'UTC',
    log_timezone: 'UTC',
    // The log file holds no statement, parameter or row.
    log_min_error_statement: 'panic',
    log_parameter_max_length_on_error: '0',
    log_error_verbosity: 'terse',
    log_checkpoints: 'off',
  };
}
