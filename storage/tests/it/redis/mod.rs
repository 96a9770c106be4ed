mod basics;
mod bounds;
mod drops;
mod families;
mod faults;
mod hostile;
mod transactions;
